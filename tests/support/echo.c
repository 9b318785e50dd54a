/* SPDX-License-Identifier: Apache-2.0 */
/* How long a conversation was silent, measured where the answers arrive (tests/support/silence.py).
 *
 *     echo serve PORT                               sends every datagram back
 *     echo ask PORT MILLISECONDS INTERVAL_US ADDRESS...   asks every address at the same instants
 *
 * A static program, so that it runs in a guest that has nothing but busybox.  Prints "started" once every flow has had
 * answers, "gap FLOW FROM TO" (milliseconds) for each pause between two answers of more than 20 ms, and at the end
 * "flow FLOW SENT RECEIVED DOUBLED".  All flows have the same sender and receiver, so what holds up the machine holds up
 * all of them, and what only one flow suffers is the network's.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define FLOWS 4
#define MOST 100000
#define LONG_US 20000
#define ENOUGH 50
#define LINGER_US 1000000

struct flow {
	int fd;
	uint32_t sent, received, doubled;
	int64_t last;
	uint8_t seen[MOST];
};

static struct flow flows[FLOWS];

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int serve(uint16_t port)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)}, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char data[2048];

	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)))
		return 1;
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t length = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &size);

		if (length > 0)
			sendto(fd, data, length, 0, (struct sockaddr *)&from, size);
	}
}

static void take(int index, int64_t start)
{
	struct flow *flow = &flows[index];
	uint32_t number;

	while (recv(flow->fd, &number, sizeof(number), MSG_DONTWAIT) == sizeof(number)) {
		int64_t now = now_us();

		if (number >= MOST)
			continue;
		flow->doubled += flow->seen[number];
		flow->received += !flow->seen[number];
		flow->seen[number] = 1;
		if (flow->last && now - flow->last > LONG_US)
			printf("gap %d %.1f %.1f\n", index, (flow->last - start) / 1e3, (now - start) / 1e3);
		flow->last = now;
	}
}

static void send_all(int count)
{
	for (int i = 0; i < count; i++) {
		char data[18] = {0};

		memcpy(data, &flows[i].sent, sizeof(flows[i].sent));
		send(flows[i].fd, data, sizeof(data), MSG_DONTWAIT);
		flows[i].sent++;
	}
}

static int ask(int count, int64_t length, int64_t interval)
{
	struct pollfd fds[FLOWS];
	int64_t start = now_us(), next = start, end = start + length;
	int started = 0, all;

	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){.fd = flows[i].fd, .events = POLLIN};
	while (now_us() < end + LINGER_US) {
		int64_t now = now_us();

		if (now >= next && now < end && flows[0].sent < MOST) {
			send_all(count);
			next = now + interval;
		}
		poll(fds, count, 1);
		all = 1;
		for (int i = 0; i < count; i++) {
			take(i, start);
			all &= flows[i].received >= ENOUGH;
		}
		if (all && !started) {
			started = 1;
			printf("started\n");
			fflush(stdout);
		}
	}
	for (int i = 0; i < count; i++) {
		if (end - flows[i].last > LONG_US)
			printf("gap %d %.1f %.1f\n", i, (flows[i].last - start) / 1e3, length / 1e3);
		printf("flow %d %u %u %u\n", i, flows[i].sent, flows[i].received, flows[i].doubled);
	}
	return 0;
}

static int open_flow(const char *address, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || inet_pton(AF_INET, address, &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	int count = argc - 5;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc < 6 || count > FLOWS || strcmp(argv[1], "ask"))
		return 2;
	for (int i = 0; i < count; i++) {
		flows[i].fd = open_flow(argv[5 + i], atoi(argv[2]));
		if (flows[i].fd < 0)
			return 1;
	}
	return ask(count, atoll(argv[3]) * 1000, atoll(argv[4]));
}
