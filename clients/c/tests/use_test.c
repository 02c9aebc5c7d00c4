// SPDX-License-Identifier: Apache-2.0

/* What people of the language try, and what the README promises. */
#include "test.h"

#include <poll.h>

/* --- Text */

typedef struct {
    char text[256];
    size_t size;
} joined;

static void join(const char *text, size_t size, void *data) {
    joined *j = data;
    CHECK(size > 0 && j->size + size < sizeof j->text && is_utf8(text, size));
    memcpy(j->text + j->size, text, size);
    j->size += size;
}

static void a_character_that_is_split_between_two_pieces_comes_whole(void) {
    /* Two, three and four bytes a character; bytes that are none; broken, overlong, a surrogate; one that never ends. */
    static const char split[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa2\xffz\xe2\x28\xc0\xaf\xed\xa0\x80\xe2\x82";
    static const char whole[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa2\xef\xbf\xbdz\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd"
                                "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";
    for (size_t step = 1; step <= sizeof split; step++) {
        joined j = {0};
        berth_text text = {0};
        for (size_t at = 0; at < sizeof split - 1; at += step) {
            size_t left = sizeof split - 1 - at;
            berth_text_add(&text, split + at, left < step ? left : step, join, &j);
            CHECK(text.size <= 3);
        }
        berth_text_end(&text, join, &j);
        CHECK(j.size == sizeof whole - 1 && memcmp(j.text, whole, j.size) == 0);
    }
}

/* --- Errors */

static size_t put(unsigned char *to, int field, const void *bytes, size_t size) {
    to[0] = (unsigned char)(field << 3 | 2);
    to[1] = (unsigned char)size; /* below 128 in these tests */
    memcpy(to + 2, bytes, size);
    return size + 2;
}

static void fail_with_reason(const request *r, int code, const char *reason, const char *retry) {
    unsigned char info[128], entry[64], detail[160], status[256], response[300];
    size_t n = put(info, 1, reason, strlen(reason));
    n += put(info + n, 2, "berth.dev", 9);
    if (retry) {
        size_t e = put(entry, 1, "retry_after_ms", 14);
        e += put(entry + e, 2, retry, strlen(retry));
        n += put(info + n, 3, entry, e);
    }
    static const char kind[] = "type.googleapis.com/google.rpc.ErrorInfo";
    size_t d = put(detail, 1, kind, sizeof kind - 1);
    d += put(detail + d, 2, info, n);
    status[0] = 1 << 3;
    status[1] = (unsigned char)code;
    size_t s = 2 + put(status + 2, 2, "words", 5);
    s += put(status + s, 3, "\x0a\x07x/other", 9);
    status[s] = 3 << 3 | 2; /* this one may need two bytes for its length */
    size_t head = 2;
    if (d >= 128) {
        status[s + 1] = (unsigned char)(d | 0x80);
        status[s + 2] = (unsigned char)(d >> 7);
        head = 3;
    } else {
        status[s + 1] = (unsigned char)d;
    }
    memcpy(status + s + head, detail, d);
    s += head + d;
    response[0] = 1 << 3 | 2;
    response[1] = (unsigned char)(s | 0x80);
    response[2] = (unsigned char)(s >> 7);
    memcpy(response + 3, status, s);
    send_frame(r, KIND_RESPONSE, 0, response, s + 3);
}

static void answer_with_reasons(request *r, void *data) {
    (void)data;
    if (strcmp(r->method, "Stat") == 0) {
        fail_with_reason(r, BERTH_FAILED_PRECONDITION, "IS_A_DIRECTORY", NULL);
    } else if (strcmp(r->method, "Acquire") == 0) {
        fail_with_reason(r, BERTH_UNAVAILABLE, "BREAKER_OPEN", "1500");
    } else {
        fail_with_reason(r, BERTH_RESOURCE_EXHAUSTED, "A_REASON_OF_LATER", NULL);
    }
}

static void errors_have_a_reason_where_the_code_is_too_coarse(void) {
    fake *server = fake_start(answer_with_reasons, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_lease lease;
    Berth__V1__FileInfo *info;
    Berth__V1__HelloResponse *hello;
    CHECK_CODE(berth_stat(client, "l", "/tmp", false, &info, &error), BERTH_FAILED_PRECONDITION);
    CHECK(error.reason == BERTH__V1__ERROR_REASON__IS_A_DIRECTORY && strcmp(error.message, "words") == 0);
    CHECK(strcmp(berth_reason_name(error.reason), "IS_A_DIRECTORY") == 0);
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), BERTH_UNAVAILABLE);
    CHECK(error.reason == BERTH__V1__ERROR_REASON__BREAKER_OPEN && error.retry_after_ms == 1500);
    CHECK_CODE(berth_hello(client, &hello, &error), BERTH_RESOURCE_EXHAUSTED);
    CHECK(error.reason == 0 && strcmp(berth_reason_name(0), "NONE") == 0);
    berth_client_free(client);
    fake_stop(server);
}

/* --- Arguments */

static Berth__V1__ExecuteRequest *ran;
static Berth__V1__RenameFileRequest *renamed;

static void answer_and_keep(request *r, void *data) {
    (void)data;
    if (strcmp(r->method, "Execute") == 0) {
        ran = berth__v1__execute_request__unpack(NULL, r->size, r->payload);
        send_started(r);
        send_ended(r, 0);
    } else if (strcmp(r->method, "RenameFile") == 0) {
        Berth__V1__RenameFileResponse nothing = BERTH__V1__RENAME_FILE_RESPONSE__INIT;
        renamed = berth__v1__rename_file_request__unpack(NULL, r->size, r->payload);
        send_reply(r, &nothing.base);
    }
}

static bool is(ProtobufCBinaryData bytes, const char *text) {
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static void what_is_not_utf_8_goes_as_bytes(void) {
    fake *server = fake_start(answer_and_keep, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_result result;
    berth_command command = {.argv = (const char *const[]){"ls", "a\xff", NULL},
                             .env = (const char *const[]){"A=\xff", "B=b", "C=\xff", NULL},
                             .cwd = "/tmp/\xff"};
    CHECK_CODE(berth_run(client, "l", &command, &result, &error), 0);
    berth_result_clear(&result);
    CHECK(ran->n_argv == 0 && ran->n_argv_raw == 2 && is(ran->argv_raw[0], "ls") && is(ran->argv_raw[1], "a\xff"));
    CHECK(ran->n_env == 1 && strcmp(ran->env[0]->key, "B") == 0 && ran->n_env_raw == 2);
    CHECK(is(ran->env_raw[0], "A=\xff") && is(ran->env_raw[1], "C=\xff"));
    CHECK(!*ran->cwd && is(ran->cwd_raw, "/tmp/\xff"));
    CHECK_CODE(berth_rename(client, "l", "/tmp/\xff", "/tmp/a", true, &error), 0);
    CHECK(is(renamed->from_raw, "/tmp/\xff") && strcmp(renamed->to, "/tmp/a") == 0 && renamed->no_replace);
    berth__v1__execute_request__free_unpacked(ran, NULL);
    berth__v1__rename_file_request__free_unpacked(renamed, NULL);
    berth_client_free(client);
    fake_stop(server);
}

static void merged_output_and_a_terminal_without_echo_are_asked_for_and_only_then(void) {
    static const struct {
        berth_command command;
        bool merged, terminal, silent;
    } cases[] = {
        {{.shell = "x"}, false, false, false},
        {{.shell = "x", .merge_output = true}, true, false, false},
        {{.shell = "x", .terminal = true, .rows = 24, .columns = 80}, false, true, false},
        {{.shell = "x", .terminal = true, .rows = 24, .columns = 80, .no_echo = true}, false, true, true},
    };
    fake *server = fake_start(answer_and_keep, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_result result;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_CODE(berth_run(client, NULL, &cases[i].command, &result, &error), 0);
        berth_result_clear(&result);
        CHECK(ran->merge_output == cases[i].merged && (ran->terminal != NULL) == cases[i].terminal);
        CHECK(!ran->terminal || (ran->terminal->rows == 24 && ran->terminal->columns == 80));
        CHECK(!ran->terminal || ran->terminal->no_echo == cases[i].silent);
        berth__v1__execute_request__free_unpacked(ran, NULL);
    }
    berth_command without = {.shell = "x", .no_echo = true};
    CHECK_CODE(berth_run(client, NULL, &without, &result, &error), BERTH_INVALID_ARGUMENT);
    CHECK(strstr(error.message, "no_echo is of a terminal"));
    berth_client_free(client);
    fake_stop(server);
}

static void what_cannot_be_right_is_refused_with_words(void) {
    berth_error error;
    berth_result result;
    CHECK(!berth_client_new("http://127.0.0.1:7411", NULL, &error));
    CHECK(error.code == BERTH_INVALID_ARGUMENT && strstr(error.message, "is a URL"));
    berth_client *client = berth_client_new("127.0.0.1:1", NULL, &error);
    berth_command command = {.shell = "cat", .keep_stdin_open = true};
    CHECK_CODE(berth_run(client, NULL, &command, &result, &error), BERTH_INVALID_ARGUMENT);
    berth_client_free(client);
}

/* --- Input */

/* A program that writes what it reads; the client gives credit as it likes, which is far ahead here. */
static struct {
    request execute;
    uint64_t taken;
    size_t most;
} cat;

static void write_back(const unsigned char *bytes, size_t size) {
    for (size_t at = 0; at < size; at += 32 << 10) {
        size_t part = size - at < 32 << 10 ? size - at : 32 << 10;
        send_output(&cat.execute, BERTH_STDOUT, cat.taken, bytes + at, part);
        cat.taken += part;
    }
}

static void answer_as_cat(request *r, void *data) {
    (void)data;
    if (strcmp(r->method, "Execute") == 0) {
        Berth__V1__ExecuteRequest *asked = berth__v1__execute_request__unpack(NULL, r->size, r->payload);
        cat.execute = *r;
        cat.taken = cat.most = 0;
        send_started(r);
        write_back(asked->stdin.data, asked->stdin.len);
        berth__v1__execute_request__free_unpacked(asked, NULL);
    } else if (strcmp(r->method, "Input") == 0) {
        Berth__V1__InputRequest *asked = berth__v1__input_request__unpack(NULL, r->size, r->payload);
        Berth__V1__InputResponse response = BERTH__V1__INPUT_RESPONSE__INIT;
        CHECK(asked->offset == cat.taken);
        if (asked->data.len > cat.most) cat.most = asked->data.len;
        write_back(asked->data.data, asked->data.len);
        response.offset = cat.taken;
        send_reply(r, &response.base);
        if (asked->end) send_ended(&cat.execute, 0);
        berth__v1__input_request__free_unpacked(asked, NULL);
    }
}

static void standard_input_of_any_length_is_sent_in_pieces_while_the_output_is_read(void) {
    enum { SIZE = 5000000 };
    fake *server = fake_start(answer_as_cat, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_result result;
    unsigned char *input = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) input[i] = (unsigned char)(i * 7 / 8);
    berth_command command = {.shell = "cat", .input = input, .input_size = SIZE};
    CHECK_CODE(berth_run(client, NULL, &command, &result, &error), 0);
    CHECK(result.out_size == SIZE && memcmp(result.out, input, SIZE) == 0 && cat.most <= 256 << 10);
    berth_result_clear(&result);

    /* What is written comes behind it. */
    command.keep_stdin_open = true;
    berth_execution *e = berth_execute(client, NULL, &command, NULL, NULL, &error);
    CHECK(e);
    CHECK_CODE(berth_wait_started(e, &error), 0);
    CHECK_CODE(berth_input(e, "last", 4, true, &error), 0);
    CHECK_CODE(berth_wait(e, NULL, &error), 0);
    CHECK(cat.taken == SIZE + 4);
    berth_execution_free(e);

    /* And may be given up in the middle. */
    e = berth_execute(client, NULL, &command, NULL, NULL, &error);
    CHECK_CODE(berth_wait_started(e, &error), 0);
    berth_execution_free(e);
    free(input);
    berth_client_free(client);
    fake_stop(server);
}

/* --- Silence */

static void answer_nothing(request *r, void *data) { (void)r, (void)data; }

static void a_mute_server_holds_nobody_for_ever(void) {
    fake *server = fake_start(answer_nothing, NULL);
    berth_error error;
    berth_result result;
    berth_lease lease;
    berth_client *client = berth_client_new(fake_address(server), &(berth_options){.keepalive_ms = 200}, &error);
    int64_t began = now_ms();
    CHECK_CODE(berth_run(client, NULL, &(berth_command){.shell = "sleep 9"}, &result, &error), BERTH_UNAVAILABLE);
    CHECK(strstr(error.message, "said nothing for 200 ms"));
    CHECK(now_ms() - began >= 200 && now_ms() - began < 5000);
    CHECK_CODE(berth_acquire(client, NULL, &lease, &error), BERTH_UNAVAILABLE);
    CHECK(fake_count(server, "Hello") == 2);
    berth_client_free(client);
    fake_stop(server);
}

static request quiet;
static unsigned questions;

static void answer_quietly(request *r, void *data) {
    if (strcmp(r->method, "Execute") == 0) {
        quiet = *r;
        questions = 0;
        send_started(r);
    } else {
        answer_hello(r, data);
        if (++questions == 4) send_ended(&quiet, 0);
    }
}

static void a_program_that_is_quiet_for_long_is_not_given_up(void) {
    fake *server = fake_start(answer_quietly, NULL);
    berth_error error;
    berth_result result;
    berth_client *client = berth_client_new(fake_address(server), &(berth_options){.keepalive_ms = 100}, &error);
    CHECK_CODE(berth_run(client, NULL, &(berth_command){.shell = "sleep 9"}, &result, &error), 0);
    berth_result_clear(&result);
    berth_client_free(client);
    fake_stop(server);
}

/* --- Credit */

static struct {
    request execute;
    uint64_t sent, given;
    unsigned acknowledged;
} drip;

static void answer_with_small_events(request *r, void *data) {
    (void)data;
    if (strcmp(r->method, "Execute") == 0) {
        drip.execute = *r;
        send_started(r);
    } else if (strcmp(r->method, "Acknowledge") == 0) {
        Berth__V1__AcknowledgeRequest *asked = berth__v1__acknowledge_request__unpack(NULL, r->size, r->payload);
        CHECK(asked->stdout_offset == drip.given + 30);
        drip.given = asked->stdout_offset;
        drip.acknowledged++;
        berth__v1__acknowledge_request__free_unpacked(asked, NULL);
    } else {
        return;
    }
    while (drip.sent < 300 && drip.sent - drip.given < 60) {
        send_output(&drip.execute, BERTH_STDOUT, drip.sent++, "x", 1);
        if (drip.sent == 300) send_ended(&drip.execute, 0);
    }
}

static void credit_comes_in_large_pieces_and_before_sixty_events_are_under_way(void) {
    fake *server = fake_start(answer_with_small_events, NULL);
    berth_client *client = connect_to(fake_address(server), 0);
    berth_error error;
    berth_result result;
    CHECK_CODE(berth_run(client, NULL, &(berth_command){.shell = "x"}, &result, &error), 0);
    CHECK(result.out_size == 300 && drip.acknowledged >= 8);
    berth_result_clear(&result);
    berth_client_free(client);
    fake_stop(server);
}

const test use_tests[] = {
    {"a character that is split between two pieces comes whole",
     a_character_that_is_split_between_two_pieces_comes_whole},
    {"errors have a reason where the code is too coarse", errors_have_a_reason_where_the_code_is_too_coarse},
    {"what is not UTF-8 goes as bytes", what_is_not_utf_8_goes_as_bytes},
    {"merged output and a terminal without echo are asked for, and only then",
     merged_output_and_a_terminal_without_echo_are_asked_for_and_only_then},
    {"what cannot be right is refused with words", what_cannot_be_right_is_refused_with_words},
    {"standard input of any length is sent in pieces while the output is read",
     standard_input_of_any_length_is_sent_in_pieces_while_the_output_is_read},
    {"a mute server holds nobody for ever", a_mute_server_holds_nobody_for_ever},
    {"a program that is quiet for long is not given up", a_program_that_is_quiet_for_long_is_not_given_up},
    {"credit comes in large pieces and before sixty events are under way",
     credit_comes_in_large_pieces_and_before_sixty_events_are_under_way},
    {NULL, NULL},
};
