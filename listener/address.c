/*
 * address.c
 *		Which addresses a callback may be sent to.
 *
 * A callback's URL comes from whoever may write dispatches; it must not reach what only the
 * listener's own machine or network can. The check is made on the address that is about to be
 * connected to, so neither an odd spelling (2130706433, 0x7f.1) nor a name that resolves anew can
 * pass it by.
 */
#include "address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* IPv4 networks that are no destinations on the public Internet (RFC 6890 and its registry). */
static const Network refused_ipv4[] = {
	{ AF_INET, { 0 }, 8 },             /* "this network" */
	{ AF_INET, { 10 }, 8 },            /* private */
	{ AF_INET, { 100, 64 }, 10 },      /* carrier-grade NAT */
	{ AF_INET, { 127 }, 8 },           /* loopback */
	{ AF_INET, { 169, 254 }, 16 },     /* link-local; the metadata services of clouds */
	{ AF_INET, { 172, 16 }, 12 },      /* private */
	{ AF_INET, { 192, 0, 0 }, 24 },    /* protocol assignments */
	{ AF_INET, { 192, 0, 2 }, 24 },    /* documentation */
	{ AF_INET, { 192, 88, 99 }, 24 },  /* 6to4 relays */
	{ AF_INET, { 192, 168 }, 16 },     /* private */
	{ AF_INET, { 198, 18 }, 15 },      /* benchmarks of network devices */
	{ AF_INET, { 198, 51, 100 }, 24 }, /* documentation */
	{ AF_INET, { 203, 0, 113 }, 24 },  /* documentation */
	{ AF_INET, { 224 }, 4 },           /* multicast */
	{ AF_INET, { 240 }, 4 },           /* reserved, and broadcast */
};

/* The only IPv6 space with global unicast addresses: loopback, ULA, link-local, multicast and the
 * NAT64 prefixes (64:ff9b::/96, 64:ff9b:1::/48) all lie outside. */
static const Network global_ipv6 = { AF_INET6, { 0x20 }, 3 };

/* ... and what is refused inside of it. */
static const Network refused_ipv6[] = {
	{ AF_INET6, { 0x20, 0x01, 0x00, 0x00 }, 23 }, /* protocol assignments, Teredo, ORCHID */
	{ AF_INET6, { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ AF_INET6, { 0x20, 0x02 }, 16 },             /* 6to4: embeds an IPv4 address */
	{ AF_INET6, { 0x3f, 0xff, 0x00 }, 20 },       /* documentation */
};

static const Network mapped_ipv4 = { AF_INET6, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96 };

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

static bool address_from_sockaddr(const struct sockaddr *address, Network *result);
static bool network_contains(const Network *network, const Network *address);
static bool any_contains(const Network *networks, size_t count, const Network *address);
static const char *parse_network(const char *cidr, Network *network);

/*
 * Adds a network written as ADDRESS/BITS, or a single address. Returns NULL, or what is wrong with
 * it (a constant). The list owns its memory until network_list_free().
 */
const char *
network_list_add(NetworkList *list, const char *cidr)
{
	Network network;
	const char *problem = parse_network(cidr, &network);

	if (problem != NULL)
		return problem;
	list->networks = memory_resize(list->networks, (list->count + 1) * sizeof(Network));
	list->networks[list->count++] = network;
	return NULL;
}

void
network_list_free(NetworkList *list)
{
	free(list->networks);
	memset(list, 0, sizeof(*list));
}

/*
 * Says whether a connection to this address may be made: it is a public one, or inside an allowed
 * network. An IPv4 address mapped into IPv6 is judged as the IPv4 address that it is.
 */
bool
address_is_allowed(const NetworkList *allowed, const struct sockaddr *address)
{
	Network subject;

	if (!address_from_sockaddr(address, &subject))
		return false;
	if (any_contains(allowed->networks, allowed->count, &subject))
		return true;
	if (subject.family == AF_INET)
		return !any_contains(refused_ipv4, lengthof(refused_ipv4), &subject);
	return network_contains(&global_ipv6, &subject) &&
		   !any_contains(refused_ipv6, lengthof(refused_ipv6), &subject);
}

/* Writes the address for people to read; "(unknown)" for one that is neither IPv4 nor IPv6. */
void
address_to_text(const struct sockaddr *address, char *text, size_t room)
{
	Network subject;

	if (!address_from_sockaddr(address, &subject) ||
		inet_ntop(subject.family, subject.bytes, text, (socklen_t) room) == NULL)
	{
		strncpy(text, "(unknown)", room - 1);
		text[room - 1] = '\0';
	}
}

/* Takes the address out of a sockaddr, a mapped one as IPv4. False for any other family. */
static bool
address_from_sockaddr(const struct sockaddr *address, Network *result)
{
	memset(result, 0, sizeof(*result));
	if (address->sa_family == AF_INET)
	{
		const struct sockaddr_in *ipv4 = (const struct sockaddr_in *) address;

		result->family = AF_INET;
		result->prefix = 32;
		memcpy(result->bytes, &ipv4->sin_addr, 4);
		return true;
	}
	if (address->sa_family == AF_INET6)
	{
		const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *) address;

		result->family = AF_INET6;
		result->prefix = 128;
		memcpy(result->bytes, &ipv6->sin6_addr, 16);
		if (network_contains(&mapped_ipv4, result))
		{
			memmove(result->bytes, result->bytes + 12, 4);
			result->family = AF_INET;
			result->prefix = 32;
		}
		return true;
	}
	return false;
}

/* Says whether the first bits of an address are those of the network. */
static bool
network_contains(const Network *network, const Network *address)
{
	int whole = network->prefix / 8;
	int rest = network->prefix % 8;

	if (network->family != address->family ||
		memcmp(network->bytes, address->bytes, (size_t) whole) != 0)
		return false;
	if (rest == 0)
		return true;
	return ((network->bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

static bool
any_contains(const Network *networks, size_t count, const Network *address)
{
	for (size_t i = 0; i < count; i++)
		if (network_contains(&networks[i], address))
			return true;
	return false;
}

/* Reads ADDRESS[/BITS]. Returns NULL, or what is wrong with it (a constant). */
static const char *
parse_network(const char *cidr, Network *network)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(cidr, "/");
	int longest;

	memset(network, 0, sizeof(*network));
	if (length >= sizeof(address))
		return "not an IPv4 or IPv6 address";
	memcpy(address, cidr, length);
	address[length] = '\0';

	network->family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	longest = network->family == AF_INET6 ? 128 : 32;
	if (inet_pton(network->family, address, network->bytes) != 1)
		return "not an IPv4 or IPv6 address";

	network->prefix = longest;
	if (cidr[length] == '/')
	{
		const char *bits = cidr + length + 1;
		size_t digits = strspn(bits, "0123456789");

		if (digits == 0 || digits > 3 || bits[digits] != '\0' || atoi(bits) > longest)
			return "the number of bits after \"/\" is not valid";
		network->prefix = atoi(bits);
	}
	for (int bit = network->prefix; bit < longest; bit++)
		if (network->bytes[bit / 8] & (0x80 >> (bit % 8)))
			return "bits are set to the right of the network part";
	return NULL;
}
