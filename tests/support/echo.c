/* SPDX-License-Identifier: Apache-2.0 */
/* How long a conversation was silent, measured where the answers arrive (tests/support/silence.py).
 *
 *     echo serve PORT                               sends every datagram, and every byte of a stream, back
 *     echo ask PORT MILLISECONDS INTERVAL_US FLOW...   asks by every flow at the same instants
 *
 * A FLOW is an address (datagrams) or "tcp:" and an address (one stream of small records; only at every fourth instant:
 * the ten segments that TCP may have in flight at first must reach beyond the silence, or only its slow timer sends
 * again).  A static program, so that it runs in a guest that has nothing but busybox.  All times are milliseconds since
 * the start.  Prints
 *
 *     started                          once every flow has had answers
 *     gap FLOW FROM TO                 each pause between two answers of more than 20 ms (a stream: 60 ms)
 *     mark TEXT TIME                   a datagram "mark TEXT" came to PORT + 1; "end" there ends the asking
 *     lost FLOW FROM TO COUNT          at the end: consecutive questions without answer, and when they were asked
 *     flow FLOW SENT RECEIVED DOUBLED DISORDERED   at the end
 *
 * All flows have the same sender and receiver, so what holds up the machine holds up all of them, and what only one flow
 * suffers is the network's.  A stream recovers from a loss by itself, since later records tell of the missing ones; a
 * record that is not the next one counts as disordered, and ends the stream.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FLOWS 4
#define STREAMS 16
#define MOST 100000
#define LONG_US 20000
#define LONG_STREAM_US 60000
#define RARELY 4
#define ENOUGH 50
#define LINGER_US 1000000

struct record {
	uint32_t number;
	char cookie[14];
};

struct flow {
	int fd, stream;
	uint32_t sent, received, doubled, disordered, highest;
	int64_t last;
	size_t filled;
	char partial[sizeof(struct record)];
	uint8_t seen[MOST];
	int64_t asked[MOST];
};

static struct flow flows[FLOWS];

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int bound(int type, uint16_t port)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type, 0), yes = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	return bind(fd, (struct sockaddr *)&own, sizeof(own)) ? -1 : fd;
}

static int prompt(int fd)
{
	int yes = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

/* ---- the answering side */

static void answer_datagram(int fd)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char data[2048];
	ssize_t length = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &size);

	if (length > 0)
		sendto(fd, data, length, 0, (struct sockaddr *)&from, size);
}

static int answer_stream(int fd)
{
	char data[4096];
	ssize_t length = recv(fd, data, sizeof(data), 0);

	return length > 0 && send(fd, data, length, MSG_NOSIGNAL) == length;
}

static int serve(uint16_t port)
{
	struct pollfd fds[2 + STREAMS] = {{.fd = bound(SOCK_DGRAM, port), .events = POLLIN},
					  {.fd = bound(SOCK_STREAM, port), .events = POLLIN}};
	int count = 2;

	if (fds[0].fd < 0 || fds[1].fd < 0 || listen(fds[1].fd, STREAMS))
		return 1;
	for (;;) {
		poll(fds, count, -1);
		if (fds[0].revents)
			answer_datagram(fds[0].fd);
		for (int i = count - 1; i >= 2; i--)
			if (fds[i].revents && !answer_stream(fds[i].fd)) {
				close(fds[i].fd);
				fds[i] = fds[--count];
			}
		if (fds[1].revents && count < 2 + STREAMS) {
			int fd = accept(fds[1].fd, NULL, NULL);

			if (fd >= 0 && !prompt(fd))
				fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
}

/* ---- the asking side */

static int64_t long_pause(const struct flow *flow)
{
	return flow->stream ? LONG_STREAM_US : LONG_US;
}

static void answered(struct flow *flow, const struct record *record, int64_t start)
{
	uint32_t number = record->number;
	int64_t now = now_us();

	if (number >= MOST)
		return;
	flow->doubled += flow->seen[number];
	flow->disordered += flow->received && number < flow->highest;
	flow->received += !flow->seen[number];
	flow->seen[number] = 1;
	if (number > flow->highest)
		flow->highest = number;
	if (flow->last && now - flow->last > long_pause(flow))
		printf("gap %d %.1f %.1f\n", (int)(flow - flows), (flow->last - start) / 1e3, (now - start) / 1e3);
	flow->last = now;
}

static void take_datagrams(struct flow *flow, int64_t start)
{
	struct record record;

	while (recv(flow->fd, &record, sizeof(record), MSG_DONTWAIT) == sizeof(record))
		answered(flow, &record, start);
}

static void hang_up(struct flow *flow)
{
	close(flow->fd);
	flow->fd = -1;
}

static void take_stream(struct flow *flow, int64_t start)
{
	while (flow->fd >= 0) {
		struct record record;
		ssize_t length =
			recv(flow->fd, flow->partial + flow->filled, sizeof(record) - flow->filled, MSG_DONTWAIT);

		if (length < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (length <= 0) {
			hang_up(flow);
			return;
		}
		flow->filled += length;
		if (flow->filled < sizeof(record))
			continue;
		flow->filled = 0;
		memcpy(&record, flow->partial, sizeof(record));
		if (record.number != flow->received) {
			flow->disordered++;
			hang_up(flow);
			return;
		}
		answered(flow, &record, start);
	}
}

static void send_all(int count)
{
	static uint32_t instant;

	instant++;
	for (int i = 0; i < count; i++) {
		struct flow *flow = &flows[i];
		struct record record = {.number = flow->sent};

		if (flow->stream && instant % RARELY)
			continue;
		memcpy(record.cookie, flow->stream ? "ask-by-stream" : "ask-by-packet", 13);
		if (send(flow->fd, &record, sizeof(record), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(record) &&
		    flow->stream)
			continue;
		flow->asked[flow->sent++] = now_us();
	}
}

/* "mark TEXT" and "end" that came; returns 1 after "end". */
static int told(int fd, int64_t start)
{
	char text[128];
	ssize_t length = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (length <= 0)
		return 0;
	text[length] = 0;
	if (!strncmp(text, "mark ", 5))
		printf("%s %.1f\n", text, (now_us() - start) / 1e3);
	return !strcmp(text, "end");
}

static int all_have(int count, int everything)
{
	for (int i = 0; i < count; i++)
		if (flows[i].received < (everything ? flows[i].sent : flows[i].stream ? ENOUGH / RARELY : ENOUGH))
			return 0;
	return 1;
}

static void tell(int count, int64_t start, int64_t end)
{
	for (int i = 0; i < count; i++) {
		struct flow *flow = &flows[i];

		if (end - flow->last > long_pause(flow))
			printf("gap %d %.1f %.1f\n", i, (flow->last - start) / 1e3, (end - start) / 1e3);
		for (uint32_t from = 0, to; from < flow->sent; from = to + 1) {
			for (to = from; to < flow->sent && !flow->seen[to]; to++)
				;
			if (to > from)
				printf("lost %d %.1f %.1f %u\n", i, (flow->asked[from] - start) / 1e3,
				       (flow->asked[to - 1] - start) / 1e3, to - from);
		}
		printf("flow %d %u %u %u %u\n", i, flow->sent, flow->received, flow->doubled, flow->disordered);
	}
}

static int ask(int count, int control, int64_t length, int64_t interval)
{
	struct pollfd fds[FLOWS + 1];
	int64_t start = now_us(), next = start, end = start + length, now;
	int started = 0;

	fds[count] = (struct pollfd){.fd = control, .events = POLLIN};
	while ((now = now_us()) < end + LINGER_US && !(now >= end && all_have(count, 1))) {
		if (now >= next && now < end && flows[0].sent < MOST) {
			send_all(count);
			next = now + interval;
		}
		for (int i = 0; i < count; i++)
			fds[i] = (struct pollfd){.fd = flows[i].fd, .events = POLLIN};
		poll(fds, count + 1, now >= end || next - now < 1000 ? 1 : (next - now) / 1000);
		for (int i = 0; i < count; i++)
			(flows[i].stream ? take_stream : take_datagrams)(&flows[i], start);
		if (told(control, start) && end > now)
			end = now;
		if (!started && all_have(count, 0)) {
			started = 1;
			printf("started\n");
			fflush(stdout);
		}
	}
	tell(count, start, end);
	return 0;
}

static int open_flow(struct flow *flow, const char *address, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

	flow->stream = !strncmp(address, "tcp:", 4);
	if (inet_pton(AF_INET, address + (flow->stream ? 4 : 0), &to.sin_addr) != 1)
		return -1;
	flow->fd = socket(AF_INET, flow->stream ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (flow->fd < 0 || connect(flow->fd, (struct sockaddr *)&to, sizeof(to)))
		return -1;
	return flow->stream ? prompt(flow->fd) : 0;
}

int main(int argc, char **argv)
{
	int count = argc - 5, control;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]));
	if (argc < 6 || count > FLOWS || strcmp(argv[1], "ask"))
		return 2;
	control = bound(SOCK_DGRAM, atoi(argv[2]) + 1);
	if (control < 0)
		return 1;
	for (int i = 0; i < count; i++)
		if (open_flow(&flows[i], argv[5 + i], atoi(argv[2])))
			return 1;
	return ask(count, control, atoll(argv[3]) * 1000, atoll(argv[4]));
}
