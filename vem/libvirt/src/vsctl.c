/* SPDX-License-Identifier: Apache-2.0
 *
 * `ovs-vsctl` for the calls that libvirt makes while a guest stands still, in a thousandth of the time in which Python
 * starts (vem/libvirt/vsctl.py, which this agrees with word for word).
 *
 *   vsctl PYTHON-PROGRAM [--timeout=5] [--if-exists] get Interface vnet3 external_ids:PortData
 *   vsctl PYTHON-PROGRAM [--timeout=5] set Interface vnet3 'external_ids:PortData="..."'
 *
 * Everything else, and whatever is in the least unusual (a note that can't be read, settings of more than plain lines,
 * a domain with a name that JSON escapes), is left to the Python program before anything was done.  vem/libvirt/install.py
 * says where both are found.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SETTINGS "/etc/dvswitch/libvirt.toml"
#define VARIABLE "DVS_LIBVIRT_CONFIG"
#define TEXT 8192     /* bytes of a note, of the settings, of an answer */
#define TIMEOUT 5.0   /* as vem/libvirt/commandline.py has it */
#define LAST 0.5      /* as vsctl.py: of the time-out, for everything but waiting */
#define SLACK 2       /* as live.py: seconds that the answer may take beyond */
#define NAME 64       /* bytes of a device or UUID */
#define FAILED 1

static char **python; /* its command line */

/* What Python is to do; never returns. */
static void leave_it(void)
{
	if (!python[0])
		fprintf(stderr, "dvs-ovs-vsctl: names no Python program to leave this to; run dvs-libvirt-install\n");
	else if (execv(python[0], python))
		fprintf(stderr, "dvs-ovs-vsctl: %s: can't be run: %s\n", python[0], strerror(errno));
	exit(FAILED);
}

/* The whole of a small text file: its length, or -1. */
static ssize_t read_text(const char *path, char text[TEXT])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, TEXT);

	if (fd >= 0)
		close(fd);
	if (n < 0 || n == TEXT || memchr(text, 0, (size_t)n))
		return -1;
	text[n] = 0;
	return n;
}

/* --- settings: lines of KEY = "VALUE" -------------------------------------------------------------------------------- */

static char agent[PATH_MAX] = "/run/dvswitch/vem.sock", run_dir[PATH_MAX] = "/run/dvswitch/libvirt";

static char *after_blanks(char *at) { return at + strspn(at, " \t"); }

/* A plain string at `at`; returns what follows.  Its value is copied to `value` if that is not empty. */
static char *take_string(char *at, char *value)
{
	char *end = *at == '"' || *at == '\'' ? strchr(at + 1, *at) : NULL;
	char *c;

	if (!end || end - at >= PATH_MAX)
		leave_it();
	for (c = at + 1; c < end; c++)
		if (*c == '\\' || (unsigned char)*c < ' ' || (unsigned char)*c >= 127)
			leave_it();
	if (value && end > at + 1) {
		memcpy(value, at + 1, (size_t)(end - at - 1));
		value[end - at - 1] = 0;
	}
	return after_blanks(end + 1);
}

static char *take_strings(char *at)
{
	for (at = after_blanks(at + 1); *at != ']';) {
		at = take_string(at, NULL);
		if (*at == ',')
			at = after_blanks(at + 1);
		else if (*at != ']')
			leave_it();
	}
	return after_blanks(at + 1);
}

static void take_setting(char *at, unsigned *seen)
{
	static const char *const keys[] = { "socket", "run-dir", "bridge", "supervisor-away", "network-dirs" };
	size_t n = strcspn(at, " \t=");
	char away[PATH_MAX] = "refuse";
	char *const values[] = { agent, run_dir, NULL, away, NULL };
	unsigned key = 0;

	while (key < 5 && (strlen(keys[key]) != n || strncmp(at, keys[key], n)))
		key++;
	at = after_blanks(at + n);
	if (key == 5 || *seen & 1u << key || *at != '=')
		leave_it();
	*seen |= 1u << key;
	at = after_blanks(at + 1);
	at = key == 4 && *at == '[' ? take_strings(at) : key == 4 ? NULL : take_string(at, values[key]);
	if (!at || (*at && *at != '#') || (strcmp(away, "refuse") && strcmp(away, "allow")))
		leave_it();
}

static void load_settings(void)
{
	const char *named = getenv(VARIABLE);
	char text[TEXT], *line, *rest = text;
	unsigned seen = 0;

	named = named && *named ? named : NULL;
	if (!named && access(SETTINGS, F_OK))
		return;
	if (read_text(named ? named : SETTINGS, text) < 0)
		leave_it();
	while ((line = strsep(&rest, "\n"))) {
		line = after_blanks(line);
		if (*line && *line != '#')
			take_setting(line, &seen);
	}
}

/* --- notes: flat JSON as vem/libvirt/notes.py writes it --------------------------------------------------------------- */

static int is_name(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

	return n && n <= NAME && !name[n] && name[0] != '.';
}

/* What stands behind a key.  A quote within a value is written with a backslash, so a value never looks like a key. */
static char *value_of(char *text, const char *key)
{
	char sought[NAME];
	char *found;

	snprintf(sought, sizeof(sought), "\"%s\": ", key);
	found = strstr(text, sought);
	return found ? found + strlen(sought) : NULL;
}

static int text_of(char *note, const char *key, char *value, size_t room)
{
	char *at = value_of(note, key), *end = at && *at == '"' ? strchr(at + 1, '"') : NULL;

	if (!end || (size_t)(end - at) > room || memchr(at, '\\', (size_t)(end - at)))
		return 0;
	memcpy(value, at + 1, (size_t)(end - at - 1));
	value[end - at - 1] = 0;
	return 1;
}

static int number_of(char *note, const char *key, unsigned long long *value)
{
	char *at = value_of(note, key), *end;

	if (!at || !isdigit((unsigned char)*at))
		return 0;
	*value = strtoull(at, &end, 10);
	return *end == ',' || *end == '}';
}

static int is_prepared(char *note)
{
	char *at = value_of(note, "prepare");

	return at && !strncmp(at, "true", 4);
}

static void path_of(char *path, const char *kind, const char *name)
{
	if (snprintf(path, PATH_MAX, "%s/%s/%s.json", run_dir, kind, name) >= PATH_MAX)
		leave_it();
}

/* Writes a note with another value for a key; readers see all of it or nothing.  0 or errno. */
static int rewrite(const char *path, char *text, char *at, const char *value)
{
	size_t old = strcspn(at, ",}");
	char temporary[PATH_MAX + 8];
	FILE *file;
	int fd, error;

	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
	fd = mkstemp(temporary);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (!file)
		return errno;
	fprintf(file, "%.*s%s%s", (int)(at - text), text, value, at + old);
	error = ferror(file) ? EIO : 0;
	if (fclose(file) || (!error && rename(temporary, path)))
		error = errno;
	if (error)
		unlink(temporary);
	return error;
}

/* Whether another of the domain's ports still waits for it. */
static int others_wait(const char *uuid)
{
	char path[PATH_MAX], text[TEXT], owner[NAME + 1];
	const struct dirent *entry;
	int found = 0;
	size_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "%.*s/ports", PATH_MAX - 8, run_dir);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		n = strlen(entry->d_name);
		if (n <= 5 || strcmp(entry->d_name + n - 5, ".json") ||
		    snprintf(path, sizeof(path), "%s/ports/%s", run_dir, entry->d_name) >= PATH_MAX)
			continue;
		found = read_text(path, text) > 0 && text_of(text, "vm_uuid", owner, sizeof(owner)) &&
			!strcmp(owner, uuid) && is_prepared(text);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* --- what is asked ---------------------------------------------------------------------------------------------------- */

struct port {
	char path[PATH_MAX], note[TEXT];
	char vm[1024], uuid[NAME + 1];
	unsigned long long index, veth, generation;
};

struct order {
	const char *device, *data; /* data: NULL = get */
	double timeout;
	int if_exists;
};

static int failed(const struct order *order, const struct port *port, const char *problem, const char *more)
{
	fprintf(stderr, "dvs-ovs-vsctl: %s nic %llu (%s): %s%s\n", port->vm, port->index, order->device, problem, more);
	return FAILED;
}

/* 0: there is none. */
static int load_port(const struct order *order, struct port *port)
{
	path_of(port->path, "ports", order->device);
	if (access(port->path, F_OK) && errno == ENOENT)
		return 0;
	if (read_text(port->path, port->note) < 0 || !text_of(port->note, "vm", port->vm, sizeof(port->vm)) ||
	    !text_of(port->note, "vm_uuid", port->uuid, sizeof(port->uuid)) || !is_name(port->uuid) ||
	    !number_of(port->note, "index", &port->index) || !number_of(port->note, "veth", &port->veth) ||
	    !number_of(port->note, "generation", &port->generation))
		leave_it();
	return 1;
}

static int get(const struct order *order)
{
	struct port port;
	int there = load_port(order, &port);

	if (!there && !order->if_exists)
		leave_it();
	if (there && port.veth)
		printf("\"dvs1:vethernet=%llu:generation=%llu\"\n", port.veth, port.generation);
	else
		printf("\n");
	return 0;
}

/* The agent's line (vem/agent/live.py) without its end; 0: it does not answer. */
static int ask(const struct order *order, double seconds, char line[TEXT])
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = (time_t)seconds + SLACK, .tv_usec = 500000 };
	int n = snprintf(name.sun_path, sizeof(name.sun_path), "%s.live", agent), fd;
	size_t got = 0;
	ssize_t more;

	if (n >= (int)sizeof(name.sun_path))
		leave_it();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)))
		return 0;
	n = snprintf(line, TEXT, "live %s %.1f\n", order->device, seconds);
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return 0;
	while (got < TEXT - 1 && (more = recv(fd, line + got, TEXT - 1 - got, 0)) > 0) {
		got += (size_t)more;
		if (memchr(line, '\n', got))
			break;
	}
	close(fd);
	line[got] = 0;
	line[strcspn(line, "\n")] = 0;
	return got > 0;
}

/* Its VM runs here from now on; with the last of its ports, the VM is no longer expected.  0 or FAILED. */
static int lives(struct port *port)
{
	char path[PATH_MAX], domain[TEXT];
	char *at = is_prepared(port->note) ? value_of(port->note, "prepare") : NULL;
	const char *wrong = port->path;
	int error = at ? rewrite(port->path, port->note, at, "false") : 0;

	path_of(path, "domains", port->uuid);
	at = !error && read_text(path, domain) > 0 ? value_of(domain, "incoming") : NULL;
	if (at && strncmp(at, "0.0}", 4) && !others_wait(port->uuid)) {
		wrong = path;
		error = rewrite(path, domain, at, "0.0");
	}
	if (error)
		fprintf(stderr, "dvs-ovs-vsctl: file %s: can't be written: %s\n", wrong, strerror(error));
	return error ? FAILED : 0;
}

/* The vEth of PortData of ours; 0: it is another's. */
static unsigned long long veth_told(const char *data)
{
	unsigned long long veth = 0, generation;
	int end = 0;

	if (sscanf(data, "dvs1:vethernet=%llu:generation=%llu%n", &veth, &generation, &end) != 2 || data[end] ||
	    strpbrk(data, " +\t") || data[15] == '-' || strstr(data, "=-"))
		return 0;
	return veth;
}

static int set(const struct order *order)
{
	double seconds = order->timeout - LAST > LAST ? order->timeout - LAST : LAST;
	char line[TEXT], said[128];
	char *state = line, *number, *detail = line;
	unsigned long long veth, told;
	struct port port;

	if (!load_port(order, &port))
		leave_it();
	state = ask(order, seconds, line) ? strsep(&detail, " ") : NULL;
	number = state ? strsep(&detail, " ") : NULL;
	if (!number || !detail || !*number || number[strspn(number, "0123456789")])
		return failed(order, &port, "the agent does not answer; start 'vem run' on this host", "");
	if (!strcmp(state, "refused"))
		return failed(order, &port, detail, "");
	if (lives(&port))
		return FAILED;
	if (strcmp(state, "forwarding") && strcmp(state, "blocked"))
		failed(order, &port, detail, "; the VM's first frame will make it go live");
	veth = strtoull(number, NULL, 10);
	told = veth_told(order->data);
	if (!told || !veth || told == veth)
		return 0;
	snprintf(said, sizeof(said), "is vethernet %llu here and was %llu where the VM came from", veth, told);
	return failed(order, &port, said, "");
}

/* --- the command line -------------------------------------------------------------------------------------------------- */

static void take_option(struct order *order, const char *word)
{
	const char *seconds = word + strlen("--timeout=");

	if (!strcmp(word, "--"))
		order->if_exists = 0;
	else if (!strcmp(word, "--if-exists"))
		order->if_exists = 1;
	else if (strncmp(word, "--timeout=", 10) || !*seconds || strlen(seconds) > 6 ||
		 seconds[strspn(seconds, "0123456789")])
		leave_it();
	else
		order->timeout = atoi(seconds) ? atoi(seconds) : TIMEOUT;
}

/* A column external_ids:PortData, and what follows it. */
static char *port_data(char *column)
{
	char *at = strchr(column, ':');

	if (!at || (strncmp(column, "external_ids:", 13) && strncmp(column, "external-ids:", 13)) ||
	    strncmp(at, ":PortData", 9))
		leave_it();
	return at + 9;
}

static char *unquoted(char *value)
{
	size_t n = strlen(value);

	if (n < 2 || value[0] != '"' || value[n - 1] != '"')
		return value;
	value[n - 1] = 0;
	return value + 1;
}

/* The words are left as they are: Python may have to read them. */
static void understand(struct order *order, char **words)
{
	static char copy[TEXT];
	char *rest;

	for (; *words && (*words)[0] == '-'; words++)
		take_option(order, *words);
	if (!words[0] || !words[1] || !words[2] || !words[3] || words[4] || strcmp(words[1], "Interface") ||
	    !is_name(words[2]) || strlen(words[3]) >= sizeof(copy))
		leave_it();
	order->device = words[2];
	rest = port_data(strcpy(copy, words[3]));
	if (!strcmp(words[0], "set") && *rest == '=')
		order->data = unquoted(rest + 1);
	else if (strcmp(words[0], "get") || *rest)
		leave_it();
}

int main(int argc, char **argv)
{
	struct order order = { .timeout = TIMEOUT };

	python = argv + (argc > 0);
	if (argc < 3)
		leave_it();
	understand(&order, argv + 2);
	load_settings();
	return order.data ? set(&order) : get(&order);
}
