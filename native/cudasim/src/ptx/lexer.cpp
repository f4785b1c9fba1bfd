#include "ptx/lexer.h"

#include <cctype>

#include "ptx/ast.h"

namespace cudasim::ptx {
namespace {

bool startsWord(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '%' || c == '.'; }
bool continuesWord(char c) { return startsWord(c) || std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool continuesNumber(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.'; }

class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}

    std::vector<Token> run() {
        while (skipBlank()) {
            const std::size_t start = at_;
            const char c = text_[at_];
            if (c == '"') {
                string();
            } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
                while (at_ < text_.size() && (continuesNumber(text_[at_]) || exponentSign(start))) ++at_;
                emit(Token::Kind::Number, start);
            } else if (startsWord(c)) {
                ++at_;
                // ".reg.b32" is two directives, "ld.global" one opcode.
                while (at_ < text_.size() && !(c == '.' && text_[at_] == '.') && (continuesWord(text_[at_]) || doubleColon())) ++at_;
                emit(Token::Kind::Word, start);
            } else {
                ++at_;
                emit(Token::Kind::Punctuation, start);
            }
        }
        tokens_.push_back({Token::Kind::End, "", line_});
        return std::move(tokens_);
    }

private:
    bool exponentSign(std::size_t start) const {
        const char c = text_[at_];
        const char before = text_[at_ - 1];
        const bool hex = text_[start] == '0' && start + 1 < text_.size() && std::isalpha(static_cast<unsigned char>(text_[start + 1])) != 0;
        return (c == '+' || c == '-') && (before == 'e' || before == 'E') && !hex;
    }

    // "::" belongs to an opcode (ld.shared::cta); a single ':' ends a label. Both colons are taken here.
    bool doubleColon() {
        if (text_[at_] != ':' || at_ + 1 >= text_.size() || text_[at_ + 1] != ':') return false;
        ++at_;
        return true;
    }

    bool skipBlank() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '\0') return false;
            if (c == '\n') {
                ++line_;
                ++at_;
            } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
                ++at_;
            } else if (text_.substr(at_, 2) == "//") {
                while (at_ < text_.size() && text_[at_] != '\n') ++at_;
            } else if (text_.substr(at_, 2) == "/*") {
                const std::size_t end = text_.find("*/", at_);
                if (end == std::string_view::npos) throw Error(line_, "comment without an end");
                for (; at_ < end + 2; ++at_) line_ += text_[at_] == '\n' ? 1 : 0;
            } else {
                return true;
            }
        }
        return false;
    }

    void string() {
        const std::size_t start = ++at_;
        while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
        if (at_ >= text_.size()) throw Error(line_, "string without an end");
        emit(Token::Kind::String, start);
        ++at_;
    }

    void emit(Token::Kind kind, std::size_t start) { tokens_.push_back({kind, std::string(text_.substr(start, at_ - start)), line_}); }

    std::string_view text_;
    std::size_t at_ = 0;
    int line_ = 1;
    std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace cudasim::ptx
