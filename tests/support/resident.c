/* SPDX-License-Identifier: Apache-2.0
 *
 * Lives in a guest and has state that a switch knows of: it listens to a multicast group for as long as it runs, and has
 * once said something under an address that is not the NIC's, as a nested guest would.  Under the NIC's own it says
 * something every second, as most guests do of their own accord.
 *
 *     resident DEVICE GROUP MAC
 */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE 0x88b5
#define TIMES 3 /* a port that is not up yet hears nothing */

static int join(const char *device, const char *group)
{
	struct ip_mreqn wanted = { .imr_ifindex = (int)if_nametoindex(device) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	return inet_aton(group, &wanted.imr_multiaddr) &&
	       !setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &wanted, sizeof(wanted));
}

static int own_address(const char *device, unsigned char *address)
{
	struct ifreq asked = { 0 };

	strncpy(asked.ifr_name, device, IFNAMSIZ - 1);
	if (ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCGIFHWADDR, &asked))
		return 0;
	memcpy(address, asked.ifr_hwaddr.sa_data, ETH_ALEN);
	return 1;
}

static void speak(const char *device, const struct ether_addr *other)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(device) };
	unsigned char frame[60] = { 0 }, own[ETH_ALEN];
	int fd = socket(AF_PACKET, SOCK_RAW, 0), i;

	memset(frame, 0xff, ETH_ALEN);
	frame[12] = TYPE >> 8;
	frame[13] = TYPE & 255;
	for (i = 0; own_address(device, own); i++, sleep(1)) {
		memcpy(frame + 6, i < TIMES ? other->ether_addr_octet : own, ETH_ALEN);
		if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			return;
	}
}

int main(int argc, char **argv)
{
	const struct ether_addr *other = argc == 4 ? ether_aton(argv[3]) : NULL;

	if (other && join(argv[1], argv[2]))
		speak(argv[1], other);
	perror("resident");
	return 1;
}
