// The type of what passes between the operations of a table.
#pragma once

#include "bfloat16.h"
#include "nightjar_cpu.h"

namespace {

typedef NJ_VALUE Value;

}  // namespace
