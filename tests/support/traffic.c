// SPDX-License-Identifier: Apache-2.0
//
// Small-packet traffic with sequence numbers: how fast, and was anything lost.  Driven by traffic.py.
//
//   traffic send TO RATE SECONDS BYTES [HEADER]   datagrams; RATE a second, 0 = as fast as it goes
//   traffic receive AT [HEADER_BYTES]             until SIGTERM, then until nothing comes for half a second
//
// TO and AT are udp:ADDRESS:PORT or unix:PATH.  HEADER, in hexadecimal, stands before the sequence number: an Ethernet
// header makes the datagrams frames on a wire of the user engine.
// `send` keeps the number of datagrams sent in the file of which SENT_FD names the descriptor, if it is set.
// Each prints one line of JSON when done; `receive` prints "ready" first.  System calls carry BATCH datagrams each, so
// that what is measured is the path and not the system call.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define MAX_BYTES 1472
#define RECEIVE_BUFFER (8 << 20)
#define NAP_MS 100
#define IDLE_NAPS 5
#define MAX_ARREARS_MS 5
#define MAX_SEQUENCE (1u << 28)

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct endpoint {
	union {
		struct sockaddr any;
		struct sockaddr_in udp;
		struct sockaddr_un local;
	} at;
	socklen_t size;
};

static void invalid(const char *what)
{
	errno = EINVAL;
	die(what);
}

static struct endpoint unix_endpoint(const char *path)
{
	struct endpoint e = {.at.local.sun_family = AF_UNIX, .size = sizeof e.at.local};

	if (strlen(path) >= sizeof e.at.local.sun_path)
		invalid(path);
	strcpy(e.at.local.sun_path, path);
	return e;
}

static struct endpoint udp_endpoint(const char *text)
{
	struct endpoint e = {.at.udp.sin_family = AF_INET, .size = sizeof e.at.udp};
	char address[INET_ADDRSTRLEN];
	unsigned port;

	if (sscanf(text, "%15[0-9.]:%u", address, &port) != 2 || inet_pton(AF_INET, address, &e.at.udp.sin_addr) != 1)
		invalid(text);
	e.at.udp.sin_port = htons((uint16_t)port);
	return e;
}

static struct endpoint endpoint(const char *text)
{
	if (!strncmp(text, "unix:", 5))
		return unix_endpoint(text + 5);
	if (strncmp(text, "udp:", 4))
		invalid(text);
	return udp_endpoint(text + 4);
}

// ---- sending

struct sender {
	int fd;
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	uint8_t bytes[BATCH][MAX_BYTES];
	size_t header;
	uint64_t sent, refused;
	uint64_t *told; // where others may read `sent`
};

static size_t parse_header(const char *text, uint8_t *bytes)
{
	size_t size = strlen(text) / 2;

	if (size + sizeof(uint64_t) > MAX_BYTES)
		invalid("HEADER");
	for (size_t i = 0; i < size; i++)
		if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
			invalid("HEADER");
	return size;
}

static void prepare(struct sender *s, const char *header, size_t size)
{
	for (int i = 0; i < BATCH; i++) {
		s->header = parse_header(header, s->bytes[i]);
		s->vectors[i] = (struct iovec){s->bytes[i], size};
		s->messages[i].msg_hdr = (struct msghdr){.msg_iov = &s->vectors[i], .msg_iovlen = 1};
	}
}

// Sends up to `count` datagrams; a full queue below counts as refused by the machine, not as lost on the way.
static void send_batch(struct sender *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t sequence = s->sent + i;

		memcpy(s->bytes[i] + s->header, &sequence, sizeof sequence);
	}
	int done = sendmmsg(s->fd, s->messages, count, 0);

	if (done > 0) {
		s->sent += (uint64_t)done;
		__atomic_store_n(s->told, s->sent, __ATOMIC_RELAXED);
	} else if (errno == ENOBUFS || errno == EAGAIN || errno == ECONNREFUSED)
		s->refused++;
	else if (errno != EINTR)
		die("sendmmsg");
}

// A sender that was kept from the processor does not make up for it: that would be a burst at a rate nobody asked for.
static void pace(struct sender *s, uint64_t rate, uint64_t start, uint64_t end)
{
	uint64_t waived = 0, arrears = rate * MAX_ARREARS_MS / 1000 + BATCH;

	for (uint64_t now = start; now < end && !stopping; now = now_ns()) {
		uint64_t due = rate ? (uint64_t)((double)(now - start) * (double)rate / 1e9) - s->sent - waived : BATCH;

		if (rate && due > arrears) {
			waived += due - arrears;
			due = arrears;
		}
		if (due)
			send_batch(s, due < BATCH ? (unsigned)due : BATCH);
		else
			nanosleep(&(struct timespec){0, 50000}, NULL);
	}
}

static uint64_t *place_to_tell(void)
{
	static uint64_t nowhere;
	const char *fd = getenv("SENT_FD");
	void *place = &nowhere;

	if (fd) {
		place = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(fd), 0);
		if (place == MAP_FAILED)
			die("SENT_FD");
	}
	return place;
}

static int run_send(int argc, char **argv)
{
	static struct sender s;
	struct endpoint to = endpoint(argv[0]);
	uint64_t rate = strtoull(argv[1], NULL, 10), start;
	double seconds = atof(argv[2]);
	size_t size = strtoul(argv[3], NULL, 10);

	prepare(&s, argc > 4 ? argv[4] : "", size);
	if (size < s.header + sizeof(uint64_t) || size > MAX_BYTES)
		invalid("BYTES");
	s.fd = socket(to.at.any.sa_family, SOCK_DGRAM, 0);
	if (s.fd < 0 || connect(s.fd, &to.at.any, to.size))
		die("connect");
	s.told = place_to_tell();
	start = now_ns();
	pace(&s, rate, start, start + (uint64_t)(seconds * 1e9));
	printf("{\"sent\": %llu, \"refused\": %llu, \"seconds\": %.6f}\n", (unsigned long long)s.sent,
	       (unsigned long long)s.refused, (double)(now_ns() - start) / 1e9);
	return 0;
}

// ---- receiving

struct receiver {
	uint64_t received, duplicates, reordered, next, first_ns, last_ns;
	uint8_t *seen; // a bit per sequence number
};

static void take(struct receiver *r, uint64_t sequence)
{
	if (sequence >= MAX_SEQUENCE)
		return;
	if (r->seen[sequence / 8] & 1u << sequence % 8) {
		r->duplicates++;
		return;
	}
	r->seen[sequence / 8] |= (uint8_t)(1u << sequence % 8);
	r->received++;
	r->reordered += sequence < r->next;
	if (sequence >= r->next)
		r->next = sequence + 1;
}

static int listening(const struct endpoint *e)
{
	int fd = socket(e->at.any.sa_family, SOCK_DGRAM, 0), size = RECEIVE_BUFFER;
	struct timeval idle = {0, NAP_MS * 1000};

	if (fd < 0 || bind(fd, &e->at.any, e->size))
		die("bind");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
	return fd;
}

static void receive_all(int fd, size_t header, struct receiver *r)
{
	static uint8_t bytes[BATCH][MAX_BYTES];
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH];
	int naps = 0; // counted rather than timed: a machine that stands still for a while is not silent

	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			vectors[i] = (struct iovec){bytes[i], MAX_BYTES};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
		}
		int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		if (count < 0 && errno != EAGAIN && errno != EINTR)
			die("recvmmsg");
		naps = stopping && count < 0 && errno == EAGAIN ? naps + 1 : 0;
		if (naps == IDLE_NAPS)
			return;
		for (int i = 0; i < count; i++) {
			uint64_t sequence = UINT64_MAX;

			if (messages[i].msg_len >= header + sizeof sequence)
				memcpy(&sequence, bytes[i] + header, sizeof sequence);
			take(r, sequence);
		}
		if (count > 0) {
			r->last_ns = now_ns();
			r->first_ns = r->first_ns ? r->first_ns : r->last_ns;
		}
	}
}

static int run_receive(int argc, char **argv)
{
	static struct receiver r;
	struct endpoint at = endpoint(argv[0]);
	size_t header = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	int fd = listening(&at);

	if (header > MAX_BYTES - sizeof(uint64_t))
		invalid("HEADER_BYTES");
	r.seen = calloc(MAX_SEQUENCE / 8, 1);
	if (!r.seen)
		die("calloc");
	puts("ready");
	fflush(stdout);
	receive_all(fd, header, &r);
	printf("{\"received\": %llu, \"duplicates\": %llu, \"reordered\": %llu, \"highest\": %llu, \"seconds\": %.6f}\n",
	       (unsigned long long)r.received, (unsigned long long)r.duplicates, (unsigned long long)r.reordered,
	       (unsigned long long)r.next, (double)(r.last_ns - r.first_ns) / 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction interrupt = {.sa_handler = on_signal}; // without SA_RESTART: system calls end too

	sigaction(SIGTERM, &interrupt, NULL);
	sigaction(SIGINT, &interrupt, NULL);
	if (argc >= 6 && !strcmp(argv[1], "send"))
		return run_send(argc - 2, argv + 2);
	if (argc >= 3 && !strcmp(argv[1], "receive"))
		return run_receive(argc - 2, argv + 2);
	fputs("traffic send TO RATE SECONDS BYTES [HEADER] | traffic receive AT [HEADER_BYTES]\n", stderr);
	return 2;
}
