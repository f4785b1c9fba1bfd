#include <string>
#include <unordered_map>

#include "isa/families.h"

namespace cudasim {

Decoder findDecoder(std::string_view name) {
    static const std::unordered_map<std::string_view, Decoder> table = [] {
        std::unordered_map<std::string_view, Decoder> all;
        for (const auto family :
             {integerFamily(), logicFamily(), floatFamily(), convertFamily(), compareFamily(), moveFamily(),
              memoryFamily(), atomicFamily(), warpFamily(), controlFamily(), matrixFamily(), asyncFamily()}) {
            for (const DecoderEntry& entry : family) all.emplace(entry.name, entry.decode);
        }
        return all;
    }();
    const auto it = table.find(name);
    return it == table.end() ? nullptr : it->second;
}

}  // namespace cudasim
