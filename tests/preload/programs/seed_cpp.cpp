// std::random_device and a clock-seeded generator, as C++ programs write it.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>

int main(int argc, char **argv)
{
    std::random_device device;
    if (argc > 1 && !std::strcmp(argv[1], "device")) {
        std::printf("%08x %08x %08x\n", device(), device(), device());
        return 0;
    }
    std::mt19937 generator(device());
    std::normal_distribution<double> normal;
    for (int i = 0; i < 4; i++)
        std::printf("%a ", normal(generator));
    std::printf("\n");
    return 0;
}
