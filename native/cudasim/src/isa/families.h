// The instruction families: each file in this folder implements one and lists its instructions in a table.
#pragma once

#include <span>

#include "isa/decoding.h"

namespace cudasim {

std::span<const DecoderEntry> integerFamily();
std::span<const DecoderEntry> logicFamily();
std::span<const DecoderEntry> floatFamily();
std::span<const DecoderEntry> convertFamily();
std::span<const DecoderEntry> compareFamily();
std::span<const DecoderEntry> moveFamily();
std::span<const DecoderEntry> memoryFamily();
std::span<const DecoderEntry> atomicFamily();
std::span<const DecoderEntry> warpFamily();
std::span<const DecoderEntry> controlFamily();
std::span<const DecoderEntry> matrixFamily();
std::span<const DecoderEntry> asyncFamily();

// Instructions whose name integers and floats share: the floating-point family decodes the type and hands integers on.
void decodeIntegerAddSub(Decoding& d, ptx::Type t, bool subtract);
void decodeIntegerMul(Decoding& d, ptx::Type t);
void decodeIntegerMad(Decoding& d, ptx::Type t);
void decodeIntegerDiv(Decoding& d, ptx::Type t);
void decodeIntegerMinMax(Decoding& d, ptx::Type t, bool max);
void decodeIntegerNeg(Decoding& d, ptx::Type t);
void decodeIntegerAbs(Decoding& d, ptx::Type t);
/// add.cc, addc, sub.cc, subc; mad.cc, madc.
void decodeCarry(Decoding& d, bool subtract, bool reads);
void decodeMadCarry(Decoding& d, bool reads);

}  // namespace cudasim
