#include "harness.h"

int main(int argc, char** argv) { return test::main(argc, argv); }
