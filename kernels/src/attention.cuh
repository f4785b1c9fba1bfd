// Attention forward, in the way the storage type and the architecture can.
#pragma once

#include "storage.cuh"
#if NJ_TENSOR_CORES
#include "attention_mma.cuh"
#else
#include "attention_fma.cuh"
#endif
