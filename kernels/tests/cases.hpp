// The test cases, in groups; each takes a device of one architecture and one storage type and throws what is wrong.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "device.hpp"

namespace nj {

struct Case {
    std::string name;
    std::function<void(Device&, Type)> run;
    /** Whether the result must not depend on the order of blocks: it is then computed again with shuffled schedules. */
    std::function<std::vector<uint8_t>(Device&, Type)> ordered = nullptr;
};

void addRowCases(std::vector<Case>& cases);
void addGemmCases(std::vector<Case>& cases);
void addAttentionCases(std::vector<Case>& cases);
void addHeadsCases(std::vector<Case>& cases);
void addTrainingRowCases(std::vector<Case>& cases);
void addTrainingHeadCases(std::vector<Case>& cases);
void addGemmBackwardCases(std::vector<Case>& cases);
void addEmbeddingGradientCases(std::vector<Case>& cases);
void addAttentionTrainingCases(std::vector<Case>& cases);

/** Elements of `buffer`; throws unless exactly the first `written` of them were overwritten. */
std::vector<double> written(const std::string& what, Type type, const Buffer& buffer, size_t count);

}  // namespace nj
