import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The same program as driver_program.c in Java: it knows the CUDA driver API through Panama and nothing of a
 * simulator. The argument is the PTX of kernels/saxpy.cu.
 */
public final class DriverProgram {

    private static final int COUNT = 1000;
    private static final int BLOCK = 128;
    private static final int REPLAYS = 3;
    private static final long BYTES = COUNT * 4L;

    private final SymbolLookup driver;

    private DriverProgram(SymbolLookup driver) {
        this.driver = driver;
    }

    /** Calls a driver function; its arguments are int, long or MemorySegment. */
    private void call(String name, Object... arguments) throws Throwable {
        MemoryLayout[] layouts = new MemoryLayout[arguments.length];
        for (int i = 0; i < arguments.length; i++) {
            layouts[i] = switch (arguments[i]) {
                case Integer _ -> JAVA_INT;
                case Long _ -> JAVA_LONG;
                default -> ADDRESS;
            };
        }
        var descriptor = FunctionDescriptor.of(JAVA_INT, layouts);
        var handle = Linker.nativeLinker().downcallHandle(driver.findOrThrow(name), descriptor);
        int status = (int) handle.invokeWithArguments(arguments);
        if (status != 0) {
            throw new IllegalStateException(name + " returned " + status);
        }
    }

    private static void expectAll(MemorySegment y, float slope, String when) {
        for (int i = 0; i < COUNT; i++) {
            float actual = y.getAtIndex(JAVA_FLOAT, i);
            if (actual != slope * i + 1.0f) {
                throw new AssertionError(when + ": y[" + i + "] is " + actual + ", expected " + (slope * i + 1.0f));
            }
        }
    }

    private void launch(MemorySegment function, MemorySegment stream, MemorySegment arguments) throws Throwable {
        int blocks = (COUNT + BLOCK - 1) / BLOCK;
        call("cuLaunchKernel", function, blocks, 1, 1, BLOCK, 1, 1, 0, stream, arguments, MemorySegment.NULL);
    }

    private void run(Path ptx, Arena arena) throws Throwable {
        MemorySegment out = arena.allocate(ADDRESS);
        call("cuInit", 0);
        call("cuDeviceGet", out, 0);
        int device = out.get(JAVA_INT, 0);
        call("cuDevicePrimaryCtxRetain", out, device);
        call("cuCtxSetCurrent", out.get(ADDRESS, 0));

        call("cuModuleLoadData", out, arena.allocateFrom(Files.readString(ptx)));
        MemorySegment module = out.get(ADDRESS, 0);
        call("cuModuleGetFunction", out, module, arena.allocateFrom("saxpy"));
        MemorySegment saxpy = out.get(ADDRESS, 0);

        call("cuMemAllocHost_v2", out, BYTES);
        MemorySegment x = out.get(ADDRESS, 0).reinterpret(BYTES);
        call("cuMemAllocHost_v2", out, BYTES);
        MemorySegment y = out.get(ADDRESS, 0).reinterpret(BYTES);
        call("cuMemAlloc_v2", out, BYTES);
        long deviceX = out.get(JAVA_LONG, 0);
        call("cuMemAlloc_v2", out, BYTES);
        long deviceY = out.get(JAVA_LONG, 0);
        for (int i = 0; i < COUNT; i++) {
            x.setAtIndex(JAVA_FLOAT, i, i);
            y.setAtIndex(JAVA_FLOAT, i, 1.0f);
        }

        MemorySegment alpha = arena.allocateFrom(JAVA_FLOAT, 0.5f);
        MemorySegment arguments = arena.allocate(ADDRESS, 4);
        arguments.setAtIndex(ADDRESS, 0, arena.allocateFrom(JAVA_LONG, deviceX));
        arguments.setAtIndex(ADDRESS, 1, arena.allocateFrom(JAVA_LONG, deviceY));
        arguments.setAtIndex(ADDRESS, 2, alpha);
        arguments.setAtIndex(ADDRESS, 3, arena.allocateFrom(JAVA_INT, COUNT));

        call("cuStreamCreate", out, 1);
        MemorySegment stream = out.get(ADDRESS, 0);
        call("cuEventCreate", out, 0);
        MemorySegment start = out.get(ADDRESS, 0);
        call("cuEventCreate", out, 0);
        MemorySegment stop = out.get(ADDRESS, 0);
        call("cuMemcpyHtoDAsync_v2", deviceX, x, BYTES, stream);
        call("cuMemcpyHtoDAsync_v2", deviceY, y, BYTES, stream);
        call("cuEventRecord", start, stream);
        launch(saxpy, stream, arguments);
        call("cuEventRecord", stop, stream);
        call("cuMemcpyDtoHAsync_v2", y, deviceY, BYTES, stream);
        call("cuStreamSynchronize", stream);
        call("cuEventElapsedTime", out, start, stop);
        if (!(out.get(JAVA_FLOAT, 0) >= 0.0f)) {
            throw new AssertionError("the launch took " + out.get(JAVA_FLOAT, 0) + " ms");
        }
        expectAll(y, 0.5f, "after a launch");

        // A graph of two launches and a copy: the arguments are those at capture time.
        call("cuStreamBeginCapture_v2", stream, 1);
        alpha.set(JAVA_FLOAT, 0, 2.0f);
        launch(saxpy, stream, arguments);
        alpha.set(JAVA_FLOAT, 0, 0.25f);
        launch(saxpy, stream, arguments);
        call("cuMemcpyDtoHAsync_v2", y, deviceY, BYTES, stream);
        call("cuStreamEndCapture", stream, out);
        MemorySegment graph = out.get(ADDRESS, 0);
        alpha.set(JAVA_FLOAT, 0, 1000.0f);
        call("cuGraphInstantiateWithFlags", out, graph, 0L);
        MemorySegment executable = out.get(ADDRESS, 0);
        expectAll(y, 0.5f, "after a capture, which executes nothing");
        for (int replay = 1; replay <= REPLAYS; replay++) {
            call("cuGraphLaunch", executable, stream);
            call("cuStreamSynchronize", stream);
            expectAll(y, 0.5f + 2.25f * replay, "after a replay");
        }

        call("cuGraphExecDestroy", executable);
        call("cuGraphDestroy", graph);
        call("cuEventDestroy_v2", start);
        call("cuEventDestroy_v2", stop);
        call("cuStreamDestroy_v2", stream);
        call("cuMemFree_v2", deviceX);
        call("cuMemFree_v2", deviceY);
        call("cuMemFreeHost", x);
        call("cuMemFreeHost", y);
        call("cuModuleUnload", module);
        call("cuDevicePrimaryCtxRelease_v2", device);
    }

    public static void main(String[] args) throws Throwable {
        try (Arena arena = Arena.ofConfined()) {
            new DriverProgram(SymbolLookup.libraryLookup("libcuda.so.1", arena)).run(Path.of(args[0]), arena);
        }
        System.out.println("ok");
    }
}
