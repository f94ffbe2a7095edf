/*
 * address.h
 *		Which addresses a callback may be sent to.
 */
#ifndef LISTENER_ADDRESS_H
#define LISTENER_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* A network, IPv4 or IPv6. */
typedef struct Network
{
	int family;
	unsigned char bytes[16];
	int prefix;
} Network;

/* Networks that are allowed though the rule refuses them. Zeroed, it is empty. */
typedef struct NetworkList
{
	Network *networks;
	size_t count;
} NetworkList;

extern const char *network_list_add(NetworkList *list, const char *cidr);
extern void network_list_free(NetworkList *list);
extern bool address_is_allowed(const NetworkList *allowed, const struct sockaddr *address);
extern void address_to_text(const struct sockaddr *address, char *text, size_t room);

#endif
