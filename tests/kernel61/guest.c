// SPDX-License-Identifier: Apache-2.0
//
// The kernel engine without its agent, for a guest that has no Python: loads objects, writes tables, runs frames.
// Driven by test_oldest_kernel.py; statically linked with libbpf.
//
//   guest load OBJECT...     loads each, without features and with all, and says so
//   guest play OBJECT < commands
//
// Commands, one a line; MAP is a map's name, bytes are hexadecimal:
//   update MAP KEY VALUE     flush MAP     list KEY MEMBERS
//   tap NAME IFINDEX         makes a tap and attaches dvs_switch to it (clsact)
//   test CONTEXT FRAME       runs dvs_test; prints "trace BYTES"
//   send NAME FRAME          into the tap; then prints "frame NAME BYTES" for all that came out of any tap, and "sent"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_BYTES 16384
#define MAX_TAPS 32

static struct bpf_object *object;
static struct {
	char name[IFNAMSIZ];
	int fd;
} taps[MAX_TAPS];
static int n_taps;

static void check(int failed, const char *what, const char *name)
{
	if (!failed)
		return;
	printf("error: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static size_t unhex(const char *text, unsigned char *bytes)
{
	size_t n = 0;
	unsigned value;

	while (text && n < MAX_BYTES && sscanf(text + 2 * n, "%2x", &value) == 1)
		bytes[n++] = (unsigned char)value;
	return n;
}

static void print_hex(const char *label, const unsigned char *bytes, size_t n)
{
	size_t i;

	printf("%s ", label);
	for (i = 0; i < n; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

/* features: DVS_FEATURE_*, or NULL for all */
static struct bpf_object *load(const char *path, const unsigned *features)
{
	struct bpf_object *loaded = bpf_object__open_file(path, NULL);
	struct bpf_map *constants;

	check(!loaded, "opening", path);
	constants = bpf_object__find_map_by_name(loaded, ".rodata.features");
	check(!constants, "finding the features of", path);
	if (features)
		check(bpf_map__set_initial_value(constants, features, sizeof(*features)), "setting features", path);
	check(bpf_object__load(loaded), "loading", path);
	return loaded;
}

static int map(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	check(fd < 0, "map", name);
	return fd;
}

static int program(const char *name)
{
	struct bpf_program *found = bpf_object__find_program_by_name(object, name);

	check(!found, "program", name);
	return bpf_program__fd(found);
}

static void update(const char *name, const char *key, const char *value)
{
	static unsigned char k[MAX_BYTES], v[MAX_BYTES];

	unhex(key, k);
	unhex(value, v);
	check(bpf_map_update_elem(map(name), k, v, BPF_ANY), "updating", name);
}

static void flush(const char *name)
{
	unsigned char key[64];

	while (!bpf_map_get_next_key(map(name), NULL, key))
		check(bpf_map_delete_elem(map(name), key), "deleting from", name);
}

static void list(const char *key, const char *members)
{
	static unsigned char k[MAX_BYTES], v[MAX_BYTES];
	int first = 0, fd;

	unhex(key, k);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "members", 4, (__u32)unhex(members, v), 1, NULL);
	check(fd < 0, "creating", "list");
	check(bpf_map_update_elem(fd, &first, v, BPF_ANY), "filling", "list");
	check(bpf_map_update_elem(map("dvs_lists"), k, &fd, BPF_ANY), "updating", "dvs_lists");
	close(fd);
}

static void attach(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = 1, .priority = 1, .prog_fd = program("dvs_switch"));

	check(bpf_tc_hook_create(&hook), "clsact", "tap");
	check(bpf_tc_attach(&hook, &filter), "attaching", "tap");
}

static void set_up(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP };
	int control = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	check(ioctl(control, SIOCSIFFLAGS, &request), "setting up", name);
	request.ifr_mtu = 9200;
	check(ioctl(control, SIOCSIFMTU, &request), "mtu", name);
	close(control);
}

static void tap(const char *name, const char *number)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int ifindex = atoi(number), fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	check(fd < 0 || n_taps == MAX_TAPS, "opening", "/dev/net/tun");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	check(ioctl(fd, TUNSETIFINDEX, &ifindex), "index", name);
	check(ioctl(fd, TUNSETIFF, &request), "making", name);
	snprintf(taps[n_taps].name, IFNAMSIZ, "%s", name);
	taps[n_taps++].fd = fd;
	set_up(name);
	attach(ifindex);
}

static void test(const char *context, const char *frame)
{
	static unsigned char c[MAX_BYTES], f[MAX_BYTES], trace[MAX_BYTES];
	int first = 0;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f, .ctx_in = c, .repeat = 1);

	run.ctx_size_in = (__u32)unhex(context, c);
	run.data_size_in = (__u32)unhex(frame, f);
	check(bpf_prog_test_run_opts(program("dvs_test"), &run), "running", "dvs_test");
	check(bpf_map_lookup_elem(map("dvs_trace"), &first, trace), "reading", "dvs_trace");
	print_hex("trace", trace, bpf_map__value_size(bpf_object__find_map_by_name(object, "dvs_trace")));
}

static void receive_all(void)
{
	static unsigned char frame[MAX_BYTES];
	char label[64];
	ssize_t n;
	int i;

	for (i = 0; i < n_taps; i++)
		while ((n = read(taps[i].fd, frame, sizeof(frame))) > 0) {
			snprintf(label, sizeof(label), "frame %s", taps[i].name);
			print_hex(label, frame, (size_t)n);
		}
}

static void send_frame(const char *name, const char *text)
{
	static unsigned char frame[MAX_BYTES];
	size_t n = unhex(text, frame);
	int i;

	for (i = 0; i < n_taps; i++)
		if (!strcmp(taps[i].name, name))
			check(write(taps[i].fd, frame, n) != (ssize_t)n, "sending into", name);
	receive_all();
	printf("sent\n");
}

static void play(char *line)
{
	const char *verb = strtok(line, " \n"), *a = strtok(NULL, " \n"), *b = strtok(NULL, " \n"), *c = strtok(NULL, " \n");

	if (!verb)
		return;
	if (!strcmp(verb, "update"))
		update(a, b, c);
	else if (!strcmp(verb, "flush"))
		flush(a);
	else if (!strcmp(verb, "list"))
		list(a, b);
	else if (!strcmp(verb, "tap"))
		tap(a, b);
	else if (!strcmp(verb, "test"))
		test(a, b);
	else if (!strcmp(verb, "send"))
		send_frame(a, b);
	else
		check(1, "unknown command", verb);
}

int main(int argc, char **argv)
{
	static char line[4 * MAX_BYTES];
	const unsigned none = 0;
	int i;

	check(argc < 3, "usage", "guest load|play OBJECT...");
	for (i = 2; i < argc; i++) {
		bpf_object__close(load(argv[i], &none));
		printf("without features %s\n", argv[i]);
		object = load(argv[i], NULL);
		printf("loaded %s\n", argv[i]);
	}
	while (!strcmp(argv[1], "play") && fgets(line, sizeof(line), stdin))
		play(line);
	return 0;
}
