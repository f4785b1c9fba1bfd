// Recursive-descent parser of the PTX that nvcc, Triton and people write. Debug sections, .loc and .file are skipped.
#include <bit>
#include <charconv>
#include <cstring>
#include <unordered_map>

#include "ptx/ast.h"
#include "ptx/lexer.h"

namespace cudasim::ptx {
namespace {

struct Literal {
    Operand::Kind kind;
    std::uint64_t bits;
};

Literal parseLiteral(const Token& token) {
    const std::string& t = token.text;
    const auto integer = [&](std::size_t skip, int base) {
        std::uint64_t value = 0;
        const char* end = t.data() + t.size();
        while (end > t.data() + skip && (end[-1] == 'U' || end[-1] == 'u')) --end;
        const auto [p, ec] = std::from_chars(t.data() + skip, end, value, base);
        if (ec != std::errc{} || p != end) throw Error(token.line, "not a number: " + t);
        return value;
    };
    if (t.size() > 2 && t[0] == '0') {
        switch (t[1]) {
            case 'f': case 'F': return {Operand::Kind::Float32, integer(2, 16)};
            case 'd': case 'D': return {Operand::Kind::Float64, integer(2, 16)};
            case 'x': case 'X': return {Operand::Kind::Integer, integer(2, 16)};
            case 'b': case 'B': return {Operand::Kind::Integer, integer(2, 2)};
            default: break;
        }
    }
    if (t.find_first_of(".eE") != std::string::npos) {
        double value = 0;
        const auto [p, ec] = std::from_chars(t.data(), t.data() + t.size(), value);
        if (ec != std::errc{} || p != t.data() + t.size()) throw Error(token.line, "not a number: " + t);
        return {Operand::Kind::Float64, std::bit_cast<std::uint64_t>(value)};
    }
    return {Operand::Kind::Integer, integer(0, t.size() > 1 && t[0] == '0' ? 8 : 10)};
}

class Parser {
public:
    explicit Parser(std::string_view text) : tokens_(tokenize(text)) {}

    Module run() {
        while (peek().kind != Token::Kind::End) topLevel();
        if (module_.target == 0) throw Error(1, "no .target directive: not a PTX module");
        return std::move(module_);
    }

private:
    // ---- tokens ----
    const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
    Token next() {
        Token t = peek();
        if (at_ + 1 < tokens_.size()) ++at_;
        return t;
    }
    bool accept(std::string_view s) {
        if (!peek().is(s)) return false;
        next();
        return true;
    }
    void expect(std::string_view s) {
        if (!accept(s)) throw Error(peek().line, "expected '" + std::string(s) + "', found '" + peek().text + "'");
    }
    std::string word() {
        if (peek().kind != Token::Kind::Word) throw Error(peek().line, "expected a name, found '" + peek().text + "'");
        return next().text;
    }
    std::uint64_t number() {
        const bool negative = accept("-");
        if (peek().kind != Token::Kind::Number) throw Error(peek().line, "expected a number, found '" + peek().text + "'");
        const std::uint64_t value = parseLiteral(next()).bits;
        return negative ? 0 - value : value;
    }
    void skipLine() {
        const int line = peek().line;
        while (peek().kind != Token::Kind::End && peek().line == line) next();
    }

    // ---- module scope ----
    void topLevel() {
        const Token t = peek();
        if (t.is(".version")) {
            next();
            const std::string v = next().text;
            module_.version = static_cast<int>(std::stod(v) * 10 + 0.5);
        } else if (t.is(".target")) {
            target();
        } else if (t.is(".address_size")) {
            next();
            if (number() != 64) throw Error(t.line, ".address_size other than 64");
        } else if (t.is(".file") || t.is(".loc")) {
            skipLine();
        } else if (t.is(".section")) {
            while (!peek().is("{")) next();
            while (!peek().is("}")) next();
            next();
        } else if (accept(".visible") || accept(".weak") || accept(".common")) {
            // Linkage does not matter within one module.
        } else if (accept(".extern")) {
            extern_ = true;
        } else if (t.is(".entry") || t.is(".func")) {
            function();
            extern_ = false;
        } else if (t.is(".global") || t.is(".const") || t.is(".shared")) {
            variables(module_.variables, /*inFunction=*/false);
            extern_ = false;
        } else if (t.is(";")) {
            next();
        } else {
            throw Error(t.line, "unknown directive '" + t.text + "'");
        }
    }

    void target() {
        next();
        do {
            const Token t = next();
            if (t.text.rfind("sm_", 0) == 0) module_.target = std::atoi(t.text.c_str() + 3);
        } while (accept(","));
    }

    // ---- variables ----
    Type type() {
        const Token t = next();
        const auto parsed = t.text.size() > 1 ? typeFromName(std::string_view(t.text).substr(1)) : std::nullopt;
        if (!parsed) throw Error(t.line, "expected a type, found '" + t.text + "'");
        return *parsed;
    }

    // .space [.align n] [.v2|.v4] .type [.ptr [.space] [.align n]] name[n] = init {, name...}
    void variables(std::vector<Variable>& out, bool inFunction) {
        Variable proto;
        proto.space = *spaceFromName(std::string_view(next().text).substr(1));
        unsigned vector = 1;
        bool typed = false;
        while (!typed || peek().is(".ptr")) {
            if (accept(".align")) {
                proto.align = static_cast<unsigned>(number());
            } else if (accept(".v2")) {
                vector = 2;
            } else if (accept(".v4")) {
                vector = 4;
            } else if (accept(".attribute")) {
                while (!accept(")")) next();
            } else if (accept(".ptr")) {
                if (peek().is(".global") || peek().is(".shared") || peek().is(".const") || peek().is(".local")) next();
                if (accept(".align")) number();
            } else {
                proto.type = type();
                typed = true;
            }
        }
        do {
            Variable v = proto;
            v.name = word();
            const int line = peek().line;
            const std::size_t element = std::max<std::size_t>(1, proto.type.bytes()) * vector;
            std::size_t count = 1;
            bool array = false, open = false;
            while (accept("[")) {
                array = true;
                if (peek().is("]")) open = true; else count *= number();
                expect("]");
            }
            v.align = std::max<unsigned>(v.align, static_cast<unsigned>(element));
            if (proto.align > 1) v.align = proto.align;
            v.bytes = open ? 0 : element * count;
            if (accept("=")) initializer(v, element / vector);
            if (open && v.bytes == 0) {
                if (v.space != Space::Shared) throw Error(line, "array '" + v.name + "' without a size");
                v.external = true;
            }
            if (array && !open && count == 0) v.external = v.space == Space::Shared;
            v.initial.resize(v.initial.empty() ? 0 : v.bytes);
            if (inFunction) v.name = declareVariable(v.name);
            if (extern_ && !inFunction && v.space != Space::Shared) throw Error(line, "external variable '" + v.name + "': modules are not linked here");
            out.push_back(std::move(v));
        } while (!peek(1).is(".param") && accept(","));  // in a parameter list, the comma is the list's
        if (!peek().is(")")) accept(";");
    }

    void initializer(Variable& v, std::size_t element) {
        const std::size_t declared = v.bytes;
        const auto emit = [&](std::uint64_t bits, std::size_t size) {
            for (std::size_t i = 0; i < size; ++i) v.initial.push_back(static_cast<std::uint8_t>(bits >> (8 * i)));
        };
        const auto value = [&](auto&& self) -> void {
            if (accept("{")) {
                while (!accept("}")) {
                    self(self);
                    accept(",");
                }
                return;
            }
            if (peek().kind == Token::Kind::Number || peek().is("-")) {
                const bool negative = accept("-");
                const Token t = next();
                Literal literal = parseLiteral(t);
                if (literal.kind == Operand::Kind::Float64 && v.type == kF32) {
                    literal.bits = std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(literal.bits)));
                }
                if (negative) literal.bits = literal.kind == Operand::Kind::Integer ? 0 - literal.bits : literal.bits ^ (1ULL << (8 * element - 1));
                emit(literal.bits, element);
                return;
            }
            const int line = peek().line;
            std::string symbol = word();
            const bool generic = symbol == "generic" && accept("(");
            if (generic) symbol = word();
            if (generic) expect(")");
            std::int64_t addend = 0;
            if (accept("+")) addend = static_cast<std::int64_t>(number());
            if (element != 8) throw Error(line, "address of '" + symbol + "' in an initializer that is not 64 bits wide");
            v.relocations.push_back({v.initial.size(), symbol, addend});
            emit(0, element);
        };
        value(value);
        if (declared == 0) v.bytes = v.initial.size();
        if (v.initial.size() > v.bytes) throw Error(peek().line, "too many initializers for '" + v.name + "'");
    }

    // ---- functions ----
    void function() {
        Function f;
        const Token t = next();
        f.line = t.line;
        f.entry = t.is(".entry");
        fn_ = &f;
        variableScopes_.assign(1, {});
        registerScopes_.assign(1, {});
        scopes_.assign(1, 0);
        f.scopeParent.assign(1, -1);
        if (!f.entry && peek().is("(")) parameters(f.returns);
        f.name = word();
        if (peek().is("(")) parameters(f.params);
        for (;;) {
            if (accept(".maxntid")) {
                f.maxThreads = product();
            } else if (accept(".reqntid")) {
                f.requiredThreads = product();
            } else if (accept(".minnctapersm") || accept(".maxnreg") || accept(".maxnctapersm")) {
                number();
            } else if (accept(".pragma")) {
                next();
                accept(";");
            } else if (accept(".noreturn") || accept(".blocksareclusters")) {
                // No effect on execution.
            } else if (peek().is(".reqnctapercluster") || peek().is(".explicitcluster") || peek().is(".maxclusterrank")) {
                throw Error(peek().line, "thread block clusters (" + peek().text + ") are not simulated");
            } else {
                break;
            }
        }
        if (accept("{")) {
            f.defined = true;
            body();
        } else {
            accept(";");
        }
        fn_ = nullptr;
        for (Function& other : module_.functions) {
            if (other.name != f.name) continue;
            if (f.defined) other = std::move(f);
            return;
        }
        module_.functions.push_back(std::move(f));
    }

    unsigned product() {
        unsigned p = static_cast<unsigned>(number());
        while (accept(",")) p *= static_cast<unsigned>(number());
        return p;
    }

    void parameters(std::vector<Variable>& out) {
        expect("(");
        while (!accept(")")) {
            if (!peek().is(".param")) throw Error(peek().line, "parameters in registers are not supported: '" + peek().text + "'");
            variables(out, /*inFunction=*/true);
            accept(",");
        }
    }

    std::string declareVariable(const std::string& name) {
        const std::string unique = scopes_.size() == 1 ? name : name + "@" + std::to_string(scopes_.back());
        variableScopes_.back()[name] = unique;
        return unique;
    }

    void body() {
        int depth = 1;
        while (depth > 0) {
            const Token t = peek();
            if (t.kind == Token::Kind::End) throw Error(t.line, "function '" + fn_->name + "' without an end");
            if (accept("{")) {
                ++depth;
                fn_->scopeParent.push_back(scopes_.back());
                scopes_.push_back(static_cast<int>(fn_->scopeParent.size()) - 1);
                registerScopes_.emplace_back();
                variableScopes_.emplace_back();
            } else if (accept("}")) {
                --depth;
                if (depth > 0) {
                    scopes_.pop_back();
                    registerScopes_.pop_back();
                    variableScopes_.pop_back();
                }
            } else if (t.is(".reg")) {
                registers();
            } else if (t.is(".loc") || t.is(".file")) {
                skipLine();
            } else if (accept(".pragma")) {
                next();
                expect(";");
            } else if (t.is(".shared") || t.is(".local") || t.is(".param")) {
                variables(fn_->variables, /*inFunction=*/true);
            } else if (t.is(";")) {
                next();
            } else if (t.kind == Token::Kind::Word && t.text[0] == '.') {
                throw Error(t.line, "unknown directive '" + t.text + "'");
            } else if (t.kind == Token::Kind::Word && peek(1).is(":")) {
                label();
            } else {
                instruction();
            }
        }
    }

    void registers() {
        next();
        if (accept(".v2") || accept(".v4")) throw Error(peek().line, "vector registers are not supported");
        const Type t = type();
        do {
            const std::string name = word();
            if (accept("<")) {
                const std::uint64_t count = number();
                expect(">");
                for (std::uint64_t i = 0; i < count; ++i) declareRegister(name + std::to_string(i), t);
            } else {
                declareRegister(name, t);
            }
        } while (accept(","));
        expect(";");
    }

    void declareRegister(const std::string& name, Type t) {
        registerScopes_.back()[name] = static_cast<int>(fn_->registers.size());
        fn_->registers.push_back(t);
    }

    void label() {
        const std::string name = word();
        expect(":");
        if (accept(".branchtargets")) {
            do {
                fn_->branchTargets[name].push_back(word());
            } while (accept(","));
            expect(";");
        } else if (peek().is(".callprototype") || peek().is(".calltargets")) {
            while (!accept(";")) next();
        } else {
            fn_->labels[{scopes_.back(), name}] = fn_->body.size();
        }
    }

    int findRegister(const std::string& name) const {
        for (auto scope = registerScopes_.rbegin(); scope != registerScopes_.rend(); ++scope) {
            if (const auto it = scope->find(name); it != scope->end()) return it->second;
        }
        return -1;
    }

    std::string resolveSymbol(const std::string& name) const {
        for (auto scope = variableScopes_.rbegin(); scope != variableScopes_.rend(); ++scope) {
            if (const auto it = scope->find(name); it != scope->end()) return it->second;
        }
        return name;
    }

    void instruction() {
        Instruction in;
        in.line = peek().line;
        in.scope = scopes_.back();
        if (accept("@")) {
            in.guardNegated = accept("!");
            const std::string name = word();
            in.guard = findRegister(name);
            if (in.guard < 0) throw Error(in.line, "guard '" + name + "' is not a register");
        }
        in.line = peek().line;
        const std::string opcode = word();
        std::size_t start = 0;
        for (std::size_t i = 0; i <= opcode.size(); ++i) {
            if (i == opcode.size() || opcode[i] == '.') {
                in.opcode.push_back(opcode.substr(start, i - start));
                start = i + 1;
            }
        }
        while (!accept(";")) {
            in.operands.push_back(operand());
            if (!peek().is(";")) expect(",");
        }
        fn_->body.push_back(std::move(in));
    }

    Operand operand() {
        Operand op;
        if (accept("{")) {
            op.kind = Operand::Kind::Vector;
            while (!accept("}")) {
                op.elements.push_back(operand());
                accept(",");
            }
            return op;
        }
        if (accept("(")) {
            op.kind = Operand::Kind::List;
            while (!accept(")")) {
                op.elements.push_back(operand());
                accept(",");
            }
            return op;
        }
        if (accept("[")) return memory();
        if (accept("!")) {
            op = operand();
            if (op.kind != Operand::Kind::Register) throw Error(peek().line, "'!' before something that is not a register");
            op.negated = true;
            return op;
        }
        if (peek().kind == Token::Kind::Number || peek().is("-") || peek().is("+")) return literal();
        const std::string name = word();
        if (name == "_") return op;
        op.reg = findRegister(name);
        if (op.reg >= 0) {
            op.kind = Operand::Kind::Register;
            if (accept("|")) op.elements.push_back(operand());
            return op;
        }
        op.kind = Operand::Kind::Symbol;
        op.name = resolveSymbol(name);
        op.offset = offset();
        return op;
    }

    Operand literal() {
        Operand op;
        bool negative = false;
        while (peek().is("-") || peek().is("+")) negative ^= next().text == "-";
        const Literal value = parseLiteral(next());
        op.kind = value.kind;
        op.bits = value.bits;
        if (negative) {
            if (op.kind == Operand::Kind::Integer) op.bits = 0 - op.bits;
            if (op.kind == Operand::Kind::Float32) op.bits ^= 1ULL << 31;
            if (op.kind == Operand::Kind::Float64) op.bits ^= 1ULL << 63;
        }
        return op;
    }

    std::int64_t offset() {
        std::int64_t sum = 0;
        while (peek().is("+") || peek().is("-")) {
            const bool negative = next().text == "-";
            const auto value = static_cast<std::int64_t>(number());
            sum += negative ? -value : value;
        }
        return sum;
    }

    Operand memory() {
        Operand op;
        op.kind = Operand::Kind::Memory;
        if (peek().kind == Token::Kind::Word) {
            const std::string name = word();
            op.reg = findRegister(name);
            if (op.reg < 0) op.name = resolveSymbol(name);
            op.offset = offset();
        } else {
            op.offset = static_cast<std::int64_t>(number());
        }
        while (accept(",")) op.elements.push_back(operand());
        expect("]");
        return op;
    }

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    Module module_;
    bool extern_ = false;
    Function* fn_ = nullptr;
    std::vector<int> scopes_;
    std::vector<std::unordered_map<std::string, int>> registerScopes_;
    std::vector<std::unordered_map<std::string, std::string>> variableScopes_;
};

}  // namespace

std::string Instruction::spelled() const {
    std::string text;
    for (const std::string& part : opcode) text += (text.empty() ? "" : ".") + part;
    return text;
}

std::optional<std::size_t> Function::findLabel(int scope, const std::string& label) const {
    for (; scope >= 0; scope = scopeParent[static_cast<std::size_t>(scope)]) {
        if (const auto it = labels.find({scope, label}); it != labels.end()) return it->second;
    }
    return std::nullopt;
}

const Function* Module::find(const std::string& name) const {
    for (const Function& f : functions) {
        if (f.name == name) return &f;
    }
    return nullptr;
}

Module parse(std::string_view text) { return Parser(text).run(); }

}  // namespace cudasim::ptx
