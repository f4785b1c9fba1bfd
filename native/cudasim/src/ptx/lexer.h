#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cudasim::ptx {

struct Token {
    enum class Kind { Word, Number, String, Punctuation, End };
    Kind kind = Kind::End;
    std::string text;
    int line = 0;

    bool is(std::string_view s) const { return text == s && kind != Kind::String; }
};

/// Splits PTX into tokens. A word is an identifier with everything that may follow in an opcode: dots, colons ("shared::cta"), '$', '%'.
std::vector<Token> tokenize(std::string_view text);

}  // namespace cudasim::ptx
