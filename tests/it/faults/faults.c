/* Loaded before the C library by the tests in this folder: has the disk fail and the clock jump while the program runs.
 *
 * What is to go wrong stands in the file that FAULTS names, as four numbers of 8 octets in the order of this
 * machine. It is mapped, so that a test changes it with an ordinary write, and the program under test opens nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static volatile struct {
    int64_t write_errno;   /* of each write to the store's file; 0 lets it through */
    int64_t sync_errno;    /* of each call that brings what was written to the disk */
    int64_t clock_seconds; /* added to the time of day */
    int64_t sync_hangs;    /* whether those calls wait until this is 0 */
} nothing, *faults = (void *)&nothing;

__attribute__((constructor)) static void look(void) {
    const char *path = getenv("FAULTS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = file < 0 ? MAP_FAILED : mmap(NULL, sizeof nothing, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) abort(); /* a test of faults without faults would pass for nothing */
    close(file);
    faults = map;
}

static int failing(int64_t error) {
    if (error) errno = (int)error;
    return error != 0;
}

static int sync_fails(void) {
    while (faults->sync_hangs) usleep(20000);
    return failing(faults->sync_errno);
}

ssize_t pwrite64(int file, const void *octets, size_t count, off64_t at) {
    return failing(faults->write_errno) ? -1 : syscall(SYS_pwrite64, file, octets, count, at);
}

int fsync(int file) { return sync_fails() ? -1 : (int)syscall(SYS_fsync, file); }

int fdatasync(int file) { return sync_fails() ? -1 : (int)syscall(SYS_fdatasync, file); }

int sync_file_range(int file, off64_t at, off64_t count, unsigned int flags) {
    return sync_fails() ? -1 : (int)syscall(SYS_sync_file_range, file, at, count, flags);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += faults->clock_seconds;
    return failed;
}
