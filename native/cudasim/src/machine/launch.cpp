#include "machine/launch.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

#include "machine/block.h"

namespace cudasim {
namespace {

// Instructions after which a block that has not finished lets another one run: it may be waiting for that one.
constexpr std::uint64_t kSlice = 2'000'000;
constexpr std::size_t kResident = 32;  // unfinished blocks per worker before no new one is begun

class Scheduler {
public:
    explicit Scheduler(Launch& launch) : launch_(launch) {
        if (launch.seed != 0) {
            order_.resize(launch.blocks());
            std::iota(order_.begin(), order_.end(), std::uint64_t{0});
            std::shuffle(order_.begin(), order_.end(), std::mt19937_64(launch.seed));
        }
    }

    void work() {
        std::deque<std::unique_ptr<Block>> resident;
        std::unique_ptr<Block> spare;
        const auto retire = [&](std::unique_ptr<Block> b) { spare = std::move(b); };
        Counters total;
        try {
            for (;;) {
                if (stop_.load(std::memory_order_relaxed)) break;
                std::unique_ptr<Block> block;
                if (resident.size() < kResident || launch_.cooperative) {
                    const std::uint64_t n = next_.fetch_add(1, std::memory_order_relaxed);
                    if (n < launch_.blocks()) {
                        block = spare ? std::move(spare) : std::make_unique<Block>(launch_);
                        block->start(order_.empty() ? n : order_[n]);
                    }
                }
                if (!block) {
                    if (resident.empty()) break;
                    block = std::move(resident.front());
                    resident.pop_front();
                }
                const bool finished = block->run(launch_.cooperative ? kSlice / 100 : kSlice);
                total.add(block->counters);
                block->counters = Counters{};
                if (finished) retire(std::move(block));
                else resident.push_back(std::move(block));
            }
        } catch (const Fault& fault) {
            stop_ = true;
            const std::lock_guard lock(mutex_);
            if (result_.result == 0) result_.result = fault.result;
        } catch (const std::exception& e) {
            stop_ = true;
            const std::lock_guard lock(mutex_);
            launch_.findings->report("unsupported", launch_.kernel->name, e.what());
            if (result_.result == 0) result_.result = 719;
        }
        const std::lock_guard lock(mutex_);
        result_.counters.add(total);
    }

    LaunchResult run() {
        const std::uint64_t workers = std::min<std::uint64_t>(launch_.workers, launch_.blocks());
        std::vector<std::thread> threads;
        for (std::uint64_t i = 1; i < workers; ++i) threads.emplace_back([this] { work(); });
        work();
        for (std::thread& t : threads) t.join();
        std::uint64_t executed = 0;
        for (auto c = static_cast<std::size_t>(Counter::inst_integer); c <= static_cast<std::size_t>(Counter::inst_other); ++c) {
            executed += result_.counters[static_cast<Counter>(c)];
        }
        result_.counters[Counter::thread_instructions] = executed;
        return result_;
    }

private:
    Launch& launch_;
    std::vector<std::uint64_t> order_;
    std::atomic<std::uint64_t> next_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    LaunchResult result_;
};

}  // namespace

LaunchResult execute(Launch& launch) {
    launch.epoch = launch.memory->newEpoch();
    return Scheduler(launch).run();
}

}  // namespace cudasim
