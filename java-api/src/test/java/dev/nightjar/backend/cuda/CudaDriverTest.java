package dev.nightjar.backend.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.NightjarException;
import dev.nightjar.UnavailableException;
import dev.nightjar.tensor.HostBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

/** The binding of the CUDA driver API, by calling the simulated driver. */
class CudaDriverTest {
    /** out[i] = alpha x[i], n elements, in PTX that any driver takes. */
    private static final String SCALE = """
            .version 7.0
            .target sm_52
            .address_size 64
            .visible .entry scale(.param .u64 out, .param .u64 x, .param .f32 alpha, .param .u32 n)
            {
                .reg .pred %p;
                .reg .b32 %i, %count, %t, %b, %d;
                .reg .f32 %v, %a;
                .reg .b64 %o, %x, %offset;
                ld.param.u64 %o, [out];
                ld.param.u64 %x, [x];
                ld.param.f32 %a, [alpha];
                ld.param.u32 %count, [n];
                mov.u32 %t, %tid.x;
                mov.u32 %b, %ctaid.x;
                mov.u32 %d, %ntid.x;
                mad.lo.s32 %i, %b, %d, %t;
                setp.ge.u32 %p, %i, %count;
                @%p bra DONE;
                mul.wide.u32 %offset, %i, 4;
                add.s64 %x, %x, %offset;
                add.s64 %o, %o, %offset;
                ld.global.f32 %v, [%x];
                mul.f32 %v, %v, %a;
                st.global.f32 [%o], %v;
            DONE:
                ret;
            }
            """;

    @AutoClose
    private final CudaSimulator simulator = CudaSimulator.open();

    private static CudaContext context() {
        return new CudaContext(CudaDriver.load(), 0);
    }

    private static CudaHandle module(CudaContext context) {
        try (Arena arena = Arena.ofConfined()) {
            return context.loadModule("scale", arena.allocateFrom(SCALE));
        }
    }

    @Test
    void propertiesOfTheDevice() {
        simulator.option("compute_capability", 90);
        simulator.option("multiprocessors", 7);
        simulator.option("memory_bytes", 1 << 30);
        try (CudaContext context = context()) {
            assertThat(context.computeCapability()).isEqualTo(90);
            assertThat(context.multiprocessors()).isEqualTo(7);
            assertThat(context.memoryBytes()).isEqualTo(1 << 30);
            assertThat(context.deviceName()).isNotBlank();
            assertThat(CudaDriver.versionText(context.driver().version())).isEqualTo("13.0");
        }
        simulator.assertClean();
    }

    @Test
    void launchesAndCopiesInTheOrderOfAStream() {
        int n = 1000;
        try (CudaContext context = context();
                CudaHandle module = module(context);
                KernelLauncher launcher = new KernelLauncher(context);
                HostBuffer host = context.allocatePinned(4L * n);
                CudaBuffer x = context.allocate(4L * n);
                CudaBuffer y = context.allocateZeroed(4L * n);
                CudaHandle start = context.newEvent();
                CudaHandle end = context.newEvent()) {
            CudaDriver driver = context.driver();
            long scale = driver.moduleGetFunction(module.value(), "scale");
            assertThat(driver.occupancyMaxActiveBlocksPerMultiprocessor(scale, 128, 0)).isPositive();
            fill(host, n);
            driver.eventRecord(start.value(), launcher.stream());
            driver.memcpyHtoDAsync(x.address(), host.segment().address(), 4L * n, launcher.stream());
            scale(launcher, scale, y, x, 3, n);
            scale(launcher, scale, y, y, 0.5f, n);
            driver.memcpyDtoHAsync(host.segment().address(), y.address(), 4L * n, launcher.stream());
            driver.eventRecord(end.value(), launcher.stream());
            driver.eventSynchronize(end.value());
            assertThat(driver.eventElapsedTime(start.value(), end.value())).isNotNegative();
            for (int i = 0; i < n; i++) {
                assertThat(host.segment().getAtIndex(ValueLayout.JAVA_FLOAT, i)).isEqualTo(1.5f * i);
            }
        }
        simulator.assertClean();
    }

    @Test
    void aGraphRepeatsWhatWasCaptured() {
        int n = 300;
        try (CudaContext context = context();
                CudaHandle module = module(context);
                KernelLauncher launcher = new KernelLauncher(context);
                HostBuffer host = context.allocatePinned(4L * n);
                CudaBuffer x = context.allocate(4L * n)) {
            CudaDriver driver = context.driver();
            long scale = driver.moduleGetFunction(module.value(), "scale");
            try (CudaHandle graph = context.capture(launcher.stream(), () -> {
                driver.memcpyHtoDAsync(x.address(), host.segment().address(), 4L * n, launcher.stream());
                scale(launcher, scale, x, x, 2, n);
                driver.memcpyDtoHAsync(host.segment().address(), x.address(), 4L * n, launcher.stream());
            })) {
                assertThat(simulator.launches()).isZero();
                fill(host, n);
                for (int repetition = 0; repetition < 3; repetition++) {
                    driver.graphLaunch(graph.value(), launcher.stream());
                }
                driver.streamSynchronize(launcher.stream());
                assertThat(host.segment().getAtIndex(ValueLayout.JAVA_FLOAT, n - 1)).isEqualTo(8f * (n - 1));
            }
        }
        simulator.assertClean();
    }

    @Test
    void aCaptureThatFailsLeavesTheStreamUsable() {
        try (CudaContext context = context();
                CudaHandle module = module(context);
                KernelLauncher launcher = new KernelLauncher(context);
                CudaBuffer x = context.allocateZeroed(64)) {
            long scale = context.driver().moduleGetFunction(module.value(), "scale");
            assertThatThrownBy(() -> context.capture(launcher.stream(), () -> {
                scale(launcher, scale, x, x, 2, 16);
                throw new IllegalStateException("halfway");
            })).isInstanceOf(IllegalStateException.class).hasMessage("halfway");
            scale(launcher, scale, x, x, 2, 16);
            context.driver().streamSynchronize(launcher.stream());
            assertThat(simulator.launches()).isEqualTo(1);
        }
        simulator.assertClean();
    }

    private static void fill(HostBuffer host, int n) {
        for (int i = 0; i < n; i++) {
            host.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, i);
        }
    }

    private static void scale(KernelLauncher launcher, long function, CudaBuffer out, CudaBuffer x, float alpha,
            int n) {
        launcher.argument(out.address()).argument(x.address()).argument(alpha).argument(n);
        launcher.launch(function, Math.ceilDiv(n, 128), 1, 1, 128, 0);
    }

    @Test
    void statusesNameCallCodeAndText() {
        simulator.option("memory_bytes", 1 << 20);
        try (CudaContext context = context(); Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> context.allocate(1L << 40)).isInstanceOf(NightjarException.class)
                    .hasMessageContainingAll("cuMemAlloc", "2", "CUDA_ERROR_OUT_OF_MEMORY");
            MemorySegment nonsense = arena.allocateFrom("no PTX");
            assertThatThrownBy(() -> context.loadModule("nonsense", nonsense)).hasMessageContaining("cuModuleLoadData")
                    .hasMessageContaining("CUDA_ERROR_INVALID");
            try (CudaHandle module = module(context)) {
                assertThatThrownBy(() -> context.driver().moduleGetFunction(module.value(), "missing"))
                        .hasMessageContainingAll("cuModuleGetFunction", "500", "CUDA_ERROR_NOT_FOUND");
            }
        }
    }

    @Test
    void closingIsIdempotentAndForgottenHandlesAreNamed() {
        CudaContext context = context();
        CudaBuffer closed = context.allocate(16);
        closed.close();
        closed.close();
        assertThatThrownBy(closed::address).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");
        context.allocate(48);
        context.newStream();
        assertThat(context.live()).containsExactly("device memory of 48 bytes", "stream");
        assertThatThrownBy(context::close).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("device memory of 48 bytes").hasMessageContaining("stream");
        context.close();
        simulator.assertClean();
    }

    @Test
    void everyThreadGetsTheContext() throws InterruptedException, ExecutionException {
        try (CudaContext context = context(); ExecutorService threads = Executors.newFixedThreadPool(3)) {
            for (int i = 0; i < 6; i++) {
                long bytes = 16L * (i + 1);
                threads.submit(() -> context.allocateZeroed(bytes).close()).get();
            }
            assertThat(context.live()).isEmpty();
        }
        try (CudaContext context = context(); ExecutorService virtual = Executors.newVirtualThreadPerTaskExecutor()) {
            virtual.submit(() -> context.allocateZeroed(64).close()).get();
        }
        simulator.assertClean();
    }

    @Test
    void whatCannotWorkIsRefusedWithItsCause() {
        simulator.option("no_device", 1);
        assertThatThrownBy(CudaDriver::load).isInstanceOf(UnavailableException.class)
                .hasMessageContainingAll("finds no CUDA device", "cuInit", "100", "CUDA_ERROR_NO_DEVICE");
        simulator.reset();
        simulator.option("driver_version", 11040);
        assertThatThrownBy(CudaDriver::load).isInstanceOf(UnavailableException.class)
                .hasMessageContainingAll("CUDA 11.4", "803", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH");
        simulator.reset();
        CudaDriver driver = CudaDriver.load();
        assertThatThrownBy(() -> new CudaContext(driver, 3)).isInstanceOf(UnavailableException.class)
                .hasMessageContaining("no CUDA device 3").hasMessageContaining("has 1");
        System.setProperty(CudaDriver.LIBRARY_PROPERTY, "no-such-libcuda.so");
        assertThatThrownBy(CudaDriver::load).isInstanceOf(UnavailableException.class)
                .hasMessageContainingAll("no NVIDIA driver", "no-such-libcuda.so", CudaDriver.LIBRARY_PROPERTY);
    }
}
