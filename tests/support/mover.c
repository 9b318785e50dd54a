// SPDX-License-Identifier: Apache-2.0
//
// A VM that moves, and a station that it talks to: frames with sequence numbers both ways at a fixed rate, and what
// became of each.  Driven by mover.py.
//
//   mover RATE BYTES VM_MAC STATION_MAC STATION NIC...
//
// STATION and each NIC of the VM (one per host) are NETNS:DEVICE.  A line on standard input moves the VM: the number of
// the NIC by which it sends from now on, "-" to stop sending; "q" ends it: when nothing came for half a second it prints
// one line of JSON.  Each other line is answered, when it holds, by the same line.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TYPE 0x88b6
#define MAX_NICS 4
#define MAX_FRAMES (1u << 24)
#define BUFFER (32 << 20)
#define IDLE_NS 500000000ull
#define IGNORE_OUTGOING 23
#define MAX_ARREARS_NS 5000000ull

struct stream {
	uint64_t due, sent, received, duplicates, reordered, next, longest, last;
	uint8_t *seen;
	uint8_t head[ETH_HLEN];
};

static int nic[MAX_NICS], station, n_nics, place = 0;
static uint32_t bytes;
static struct stream to_vm, from_vm;

static void die(const char *what)
{
	fprintf(stderr, "mover: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int open_nic(char *spec)
{
	char *device = strchr(spec, ':'), path[256];
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE) };
	int on = 1, size = BUFFER, space, fd;

	if (!device)
		die(spec);
	*device++ = 0;
	snprintf(path, sizeof(path), "/run/netns/%s", spec);
	space = open(path, O_RDONLY | O_CLOEXEC);
	if (space < 0 || setns(space, CLONE_NEWNET))
		die(path);
	close(space);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	at.sll_ifindex = (int)if_nametoindex(device);
	if (fd < 0 || !at.sll_ifindex || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_PACKET, IGNORE_OUTGOING, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(device);
	return fd;
}

static void open_stream(struct stream *s, const uint8_t *to, const uint8_t *from, uint64_t now)
{
	s->due = s->last = now;
	s->seen = calloc(MAX_FRAMES / 8, 1);
	if (!s->seen)
		die("memory");
	memcpy(s->head, to, 6);
	memcpy(s->head + 6, from, 6);
	s->head[12] = TYPE >> 8;
	s->head[13] = TYPE & 255;
}

/* What is due; a machine that was busy elsewhere makes up for little. */
static void send_due(struct stream *s, int fd, uint64_t gap, uint64_t now)
{
	uint8_t frame[9200] = { 0 };

	if (now > s->due + MAX_ARREARS_NS)
		s->due = now - MAX_ARREARS_NS;
	for (; s->due <= now && s->sent < MAX_FRAMES; s->due += gap) {
		memcpy(frame, s->head, ETH_HLEN);
		memcpy(frame + ETH_HLEN, &s->sent, 8);
		if (send(fd, frame, bytes, MSG_DONTWAIT) < 0)
			return; /* no room: nothing was sent */
		s->sent++;
	}
}

static void note(struct stream *s, uint64_t number, uint64_t now)
{
	if (number >= MAX_FRAMES)
		return;
	if (s->seen[number / 8] >> (number & 7) & 1) {
		s->duplicates++;
		return;
	}
	s->seen[number / 8] |= (uint8_t)(1 << (number & 7));
	s->received++;
	if (number < s->next)
		s->reordered++;
	else
		s->next = number + 1;
	if (now - s->last > s->longest)
		s->longest = now - s->last;
	s->last = now;
}

/* Everything that waits at a NIC; returns how many frames. */
static int receive(struct stream *s, int fd, uint64_t now)
{
	uint8_t frame[9300];
	uint64_t number;
	int n = 0;

	while (recv(fd, frame, sizeof(frame), MSG_DONTWAIT) >= ETH_HLEN + 8) {
		if (memcmp(frame, s->head, ETH_HLEN))
			continue;
		memcpy(&number, frame + ETH_HLEN, 8);
		note(s, number, now);
		n++;
	}
	return n;
}

/* In the order of hosts that the VM was on: `place` last. */
static int receive_all(uint64_t now)
{
	int n = receive(&from_vm, station, now), i;

	for (i = 0; i < n_nics; i++)
		if (i != place)
			n += receive(&to_vm, nic[i], now);
	return n + (place >= 0 ? receive(&to_vm, nic[place], now) : 0);
}

static int told(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char line[16];

	if (poll(&in, 1, 0) <= 0)
		return 1;
	if (!fgets(line, sizeof(line), stdin) || line[0] == 'q')
		return 0;
	place = line[0] == '-' ? -1 : line[0] - '0';
	fputs(line, stdout);
	fflush(stdout);
	return 1;
}

static void show(const char *name, const struct stream *s, const char *more)
{
	printf("\"%s\": {\"sent\": %llu, \"received\": %llu, \"duplicates\": %llu, \"reordered\": %llu, \"longest\": %.6f}%s",
	       name, (unsigned long long)s->sent, (unsigned long long)s->received, (unsigned long long)s->duplicates,
	       (unsigned long long)s->reordered, (double)s->longest / 1e9, more);
}

static void parse_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != 6)
		die(text);
}

int main(int argc, char **argv)
{
	struct timespec nap = { .tv_nsec = 100000 };
	uint8_t vm[6], other[6];
	uint64_t now = now_ns(), gap, idle;
	int i;

	if (argc < 7 || argc > 6 + MAX_NICS)
		die("usage");
	setvbuf(stdin, NULL, _IONBF, 0);
	gap = 1000000000ull / strtoull(argv[1], NULL, 10);
	bytes = (uint32_t)atoi(argv[2]);
	parse_mac(argv[3], vm);
	parse_mac(argv[4], other);
	station = open_nic(argv[5]);
	for (i = 6; i < argc; i++)
		nic[n_nics++] = open_nic(argv[i]);
	open_stream(&to_vm, vm, other, now);
	open_stream(&from_vm, other, vm, now);
	while (told()) {
		now = now_ns();
		send_due(&to_vm, station, gap, now);
		if (place >= 0)
			send_due(&from_vm, nic[place], gap, now);
		else
			from_vm.due = now;
		if (!receive_all(now))
			nanosleep(&nap, NULL);
	}
	for (idle = now_ns(); (now = now_ns()) - idle < IDLE_NS;) {
		if (receive_all(now))
			idle = now;
		else
			nanosleep(&nap, NULL);
	}
	printf("{");
	show("to_vm", &to_vm, ", ");
	show("from_vm", &from_vm, "}\n");
	return 0;
}
