#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Runs a fuzz target over the files named, each whole and cut at every
 * length up to 512, from memory of exactly that size: the corpus is a test in
 * every build, also where there is no libFuzzer.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1024 * 1024)


static void
run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    if (copy == NULL) {
        abort();
    }

    memcpy(copy, data, size);
    (void) LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}


static int
run_file(const char *name, uint8_t *buf)
{
    FILE *f = fopen(name, "rb");

    if (f == NULL) {
        perror(name);
        return 1;
    }

    size_t size = fread(buf, 1, INPUT_MAX, f);

    fclose(f);
    run(buf, size);

    for (size_t cut = 0; cut < size && cut < 512; cut++) {
        run(buf, cut);
    }

    return 0;
}


int
main(int argc, char **argv)
{
    uint8_t *buf = malloc(INPUT_MAX);
    int failed = buf == NULL;

    for (int i = 1; i < argc && !failed; i++) {
        failed = run_file(argv[i], buf);
    }

    free(buf);
    return failed;
}
