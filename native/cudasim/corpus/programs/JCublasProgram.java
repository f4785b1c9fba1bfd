import static jcuda.driver.JCudaDriver.cuCtxSetCurrent;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRelease;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRetain;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemFree;

import jcuda.Pointer;
import jcuda.Sizeof;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasOperation;

/**
 * An Sgemm with JCuda and JCublas2 of Maven Central, whose JNI libraries look for libcuda.so.1 and libcublas.so.12. It
 * knows nothing of a simulator.
 */
public final class JCublasProgram {

    private static final int M = 17;
    private static final int N = 5;
    private static final int K = 33;

    private JCublasProgram() {
    }

    private static float[] values(int count, int step) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (i * step % 31 - 15) / 8.0f;
        }
        return values;
    }

    private static CUdeviceptr upload(float[] values) {
        CUdeviceptr pointer = new CUdeviceptr();
        cuMemAlloc(pointer, (long) values.length * Sizeof.FLOAT);
        JCublas2.cublasSetVector(values.length, Sizeof.FLOAT, Pointer.to(values), 1, pointer, 1);
        return pointer;
    }

    public static void main(String[] args) {
        JCudaDriver.setExceptionsEnabled(true);
        JCublas2.setExceptionsEnabled(true);
        cuInit(0);
        CUdevice device = new CUdevice();
        JCudaDriver.cuDeviceGet(device, 0);
        CUcontext context = new CUcontext();
        cuDevicePrimaryCtxRetain(context, device);
        cuCtxSetCurrent(context);

        // Column-major, as in BLAS: C[M,N] = 2 A[M,K] B[K,N] - C. All values are small multiples of 1/64: exact.
        float[] a = values(M * K, 7);
        float[] b = values(K * N, 11);
        float[] c = values(M * N, 13);
        CUdeviceptr deviceA = upload(a);
        CUdeviceptr deviceB = upload(b);
        CUdeviceptr deviceC = upload(c);
        cublasHandle handle = new cublasHandle();
        JCublas2.cublasCreate(handle);
        Pointer alpha = Pointer.to(new float[] {2.0f});
        Pointer beta = Pointer.to(new float[] {-1.0f});
        int plain = cublasOperation.CUBLAS_OP_N;
        JCublas2.cublasSgemm(handle, plain, plain, M, N, K, alpha, deviceA, M,
                deviceB, K, beta, deviceC, M);
        float[] actual = new float[M * N];
        JCublas2.cublasGetVector(M * N, Sizeof.FLOAT, deviceC, 1, Pointer.to(actual), 1);
        int[] version = new int[1];
        JCublas2.cublasGetVersion(handle, version);
        JCublas2.cublasDestroy(handle);

        for (int j = 0; j < N; j++) {
            for (int i = 0; i < M; i++) {
                double sum = 0.0;
                for (int l = 0; l < K; l++) {
                    sum += (double) a[l * M + i] * b[j * K + l];
                }
                double expected = 2.0 * sum - c[j * M + i];
                if (actual[j * M + i] != expected) {
                    throw new AssertionError(
                            "C at " + i + ", " + j + ": " + actual[j * M + i] + ", expected " + expected);
                }
            }
        }
        cuMemFree(deviceA);
        cuMemFree(deviceB);
        cuMemFree(deviceC);
        cuDevicePrimaryCtxRelease(device);
        System.out.println("ok, cuBLAS " + version[0]);
    }
}
