// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TYPE = BPF_REG_2, MAJOR = BPF_REG_4, MINOR = BPF_REG_5, RESULT = BPF_REG_0 };

// What programs may use: those that every container has in /dev. 255 stands for all minor numbers.
static const struct {
    int major, minor;
} allowed[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, 255}};
enum { ALLOWED = sizeof allowed / sizeof allowed[0] };

static struct bpf_insn load(int to, int offset) {
    return (struct bpf_insn){
        .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (__u8)to & 15, .src_reg = BPF_REG_1, .off = (__s16)offset};
}

static struct bpf_insn with(int code, int to, int value) {
    return (struct bpf_insn){.code = (__u8)code, .dst_reg = (__u8)to & 15, .imm = value};
}

static struct bpf_insn skip_unless(int left, int right, int count) {
    return (struct bpf_insn){
        .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = (__u8)left & 15, .off = (__s16)count, .imm = right};
}

int berth_restrict_devices(const char *cgroup) {
    struct bpf_insn program[8 + 4 * ALLOWED];
    unsigned count = 0;
    // struct bpf_cgroup_dev_ctx: access and type in one word, major, minor.
    program[count++] = load(TYPE, 0);
    program[count++] = load(MAJOR, 4);
    program[count++] = load(MINOR, 8);
    program[count++] = with(BPF_ALU | BPF_AND | BPF_K, TYPE, 0xFFFF);
    unsigned check = count++;
    for (unsigned i = 0; i < ALLOWED; i++) {
        int is_any = allowed[i].minor == 255;
        program[count++] = skip_unless(MAJOR, allowed[i].major, is_any ? 2 : 3);
        if (!is_any) program[count++] = skip_unless(MINOR, allowed[i].minor, 2);
        program[count++] = with(BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 1);
        program[count++] = with(BPF_JMP | BPF_EXIT, 0, 0);
    }
    program[check] = skip_unless(TYPE, BPF_DEVCG_DEV_CHAR, (int)(count - check - 1));
    program[count++] = with(BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0);
    program[count++] = with(BPF_JMP | BPF_EXIT, 0, 0);

    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = (unsigned long)program;
    attributes.insn_cnt = count;
    attributes.license = (unsigned long)"Apache";
    int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
    if (fd < 0) return -errno;
    int directory = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = directory < 0 ? -errno : 0;
    if (result == 0) {
        memset(&attributes, 0, sizeof attributes);
        attributes.target_fd = (__u32)directory;
        attributes.attach_bpf_fd = (__u32)fd;
        attributes.attach_type = BPF_CGROUP_DEVICE;
        // Without flags it replaces that of an earlier server. What a unit above allows is restricted further, not replaced.
        if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof attributes) != 0) result = -errno;
        close(directory);
    }
    close(fd);
    return result;
}
