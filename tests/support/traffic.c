// SPDX-License-Identifier: Apache-2.0
//
// Small-packet traffic with sequence numbers: how fast, and was anything lost.  Driven by traffic.py.
//
//   traffic send ADDRESS PORT RATE SECONDS BYTES   UDP datagrams; RATE a second, 0 = as fast as it goes
//   traffic receive ADDRESS PORT                   until SIGTERM, then until nothing comes for 200 ms
//
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define MAX_BYTES 1472
#define RECEIVE_BUFFER (8 << 20)
#define IDLE_MS 200
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

static struct sockaddr_in endpoint(const char *address, const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		errno = EINVAL;
		die(address);
	}
	return at;
}

// ---- sending

struct sender {
	int fd;
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	uint8_t bytes[BATCH][MAX_BYTES];
	uint64_t sent, refused;
};

static void prepare(struct sender *s, size_t size)
{
	for (int i = 0; i < BATCH; i++) {
		s->vectors[i] = (struct iovec){s->bytes[i], size};
		s->messages[i].msg_hdr = (struct msghdr){.msg_iov = &s->vectors[i], .msg_iovlen = 1};
	}
}

// Sends up to `count` datagrams; a full queue below counts as refused by the machine, not as lost on the way.
static void send_batch(struct sender *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t sequence = s->sent + i;

		memcpy(s->bytes[i], &sequence, sizeof sequence);
	}
	int done = sendmmsg(s->fd, s->messages, count, 0);

	if (done > 0)
		s->sent += (uint64_t)done;
	else if (errno == ENOBUFS || errno == EAGAIN || errno == ECONNREFUSED)
		s->refused++;
	else if (errno != EINTR)
		die("sendmmsg");
}

static void pace(struct sender *s, uint64_t rate, uint64_t start, uint64_t end)
{
	for (uint64_t now = start; now < end && !stopping; now = now_ns()) {
		uint64_t due = rate ? (uint64_t)((double)(now - start) * (double)rate / 1e9) - s->sent : BATCH;

		if (due)
			send_batch(s, due < BATCH ? (unsigned)due : BATCH);
		else
			nanosleep(&(struct timespec){0, 50000}, NULL);
	}
}

static int run_send(char **argv)
{
	static struct sender s;
	struct sockaddr_in to = endpoint(argv[0], argv[1]);
	uint64_t rate = strtoull(argv[2], NULL, 10), start;
	double seconds = atof(argv[3]);
	size_t size = strtoul(argv[4], NULL, 10);

	if (size < sizeof(uint64_t) || size > MAX_BYTES) {
		errno = ERANGE;
		die("BYTES");
	}
	s.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (s.fd < 0 || connect(s.fd, (struct sockaddr *)&to, sizeof to))
		die("connect");
	prepare(&s, size);
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

static int listening(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = RECEIVE_BUFFER;
	struct timeval idle = {0, IDLE_MS * 1000};

	if (fd < 0 || bind(fd, (const struct sockaddr *)at, sizeof *at))
		die("bind");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
	return fd;
}

static void receive_all(int fd, struct receiver *r)
{
	static uint8_t bytes[BATCH][MAX_BYTES];
	struct iovec vectors[BATCH];
	struct mmsghdr messages[BATCH];

	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			vectors[i] = (struct iovec){bytes[i], MAX_BYTES};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
		}
		int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		if (count < 0 && errno != EAGAIN && errno != EINTR)
			die("recvmmsg");
		if (count <= 0 && stopping)
			return;
		for (int i = 0; i < count; i++) {
			uint64_t sequence = UINT64_MAX;

			if (messages[i].msg_len >= sizeof sequence)
				memcpy(&sequence, bytes[i], sizeof sequence);
			take(r, sequence);
		}
		if (count > 0) {
			r->last_ns = now_ns();
			r->first_ns = r->first_ns ? r->first_ns : r->last_ns;
		}
	}
}

static int run_receive(char **argv)
{
	static struct receiver r;
	struct sockaddr_in at = endpoint(argv[0], argv[1]);
	int fd = listening(&at);

	r.seen = calloc(MAX_SEQUENCE / 8, 1);
	if (!r.seen)
		die("calloc");
	puts("ready");
	fflush(stdout);
	receive_all(fd, &r);
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
	if (argc == 7 && !strcmp(argv[1], "send"))
		return run_send(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "receive"))
		return run_receive(argv + 2);
	fputs("traffic send ADDRESS PORT RATE SECONDS BYTES | traffic receive ADDRESS PORT\n", stderr);
	return 2;
}
