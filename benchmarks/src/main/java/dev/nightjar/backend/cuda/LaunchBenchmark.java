package dev.nightjar.backend.cuda;

import java.lang.foreign.Arena;
import java.util.concurrent.TimeUnit;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * One {@code cuLaunchKernel} with the arguments of Nightjar's embedding kernel, through Nightjar's binding and through JCuda, on a driver
 * that returns at once. Samples give the median; the average, whose loop allocates nothing itself, what a launch allocates. Run by
 * {@code benchmarks/launch-latency}. In this package because the binding is not public.
 */
@BenchmarkMode({Mode.SampleTime, Mode.AverageTime})
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 2, jvmArgs = {"-Xms512m", "-Xmx512m", "--enable-native-access=ALL-UNNAMED"})
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 4, time = 1)
@State(Scope.Thread)
public class LaunchBenchmark {
    /** So many that the clock's resolution does not matter. */
    private static final int LAUNCHES = 100;
    private static final int GRID = 4;
    private static final int BLOCK = 128;

    private CudaContext context;
    private CudaHandle module;
    private KernelLauncher launcher;
    private long function;

    private CUfunction jcudaFunction;
    private CUstream jcudaStream;
    private Pointer jcudaArguments;

    // Changing arguments, as neither side may know them in advance.
    private long address = 1 << 20;
    private int rows = 16;

    @Setup
    public void prepare() {
        CudaDriver driver = CudaDriver.load();
        context = new CudaContext(driver, 0);
        try (Arena arena = Arena.ofConfined()) {
            module = context.loadModule("stub", arena.allocate(1));
        }
        launcher = new KernelLauncher(context);
        function = driver.moduleGetFunction(module.value(), "stub");

        // JCuda's own library finds the driver that is loaded already.
        JCudaDriver.setExceptionsEnabled(true);
        CUmodule jcudaModule = new CUmodule();
        JCudaDriver.cuModuleLoadData(jcudaModule, new byte[1]);
        jcudaFunction = new CUfunction();
        JCudaDriver.cuModuleGetFunction(jcudaFunction, jcudaModule, "stub");
        jcudaStream = new CUstream();
        JCudaDriver.cuStreamCreate(jcudaStream, 1);
        jcudaArguments = newJcudaArguments();
    }

    @TearDown
    public void release() {
        launcher.close();
        module.close();
        context.close();
    }

    /** As every launch of Nightjar does it. */
    @Benchmark
    @OperationsPerInvocation(LAUNCHES)
    public void panama() {
        for (int i = 0; i < LAUNCHES; i++) {
            launchPanama();
        }
    }

    private void launchPanama() {
        launcher.argument(address).argument(address).argument(address).argument(address).argument(address)
                .argument(address).argument(address).argument(rows).argument(address).argument(rows).argument(1e-12f);
        launcher.launch(function, GRID, 1, 1, BLOCK, 0);
    }

    /** As JCuda's examples do it. */
    @Benchmark
    @OperationsPerInvocation(LAUNCHES)
    public void jcuda() {
        for (int i = 0; i < LAUNCHES; i++) {
            launchJcuda(newJcudaArguments());
        }
    }

    /** The least that JCuda can do: the arguments never change. */
    @Benchmark
    @OperationsPerInvocation(LAUNCHES)
    public void jcudaFixedArguments() {
        for (int i = 0; i < LAUNCHES; i++) {
            launchJcuda(jcudaArguments);
        }
    }

    private void launchJcuda(Pointer arguments) {
        JCudaDriver.cuLaunchKernel(jcudaFunction, GRID, 1, 1, BLOCK, 1, 1, 0, jcudaStream, arguments, null);
    }

    private Pointer newJcudaArguments() {
        Pointer[] arguments = new Pointer[11];
        for (int i = 0; i < 7; i++) {
            arguments[i] = Pointer.to(new long[]{address});
        }
        arguments[7] = Pointer.to(new int[]{rows});
        arguments[8] = Pointer.to(new long[]{address});
        arguments[9] = Pointer.to(new int[]{rows});
        arguments[10] = Pointer.to(new float[]{1e-12f});
        return Pointer.to(arguments);
    }
}
