/*
 * service.h
 *		What the service manager is told, if one has started us (systemd, Type=notify).
 */
#ifndef LISTENER_SERVICE_H
#define LISTENER_SERVICE_H

#include "clock.h"

typedef struct Service Service;

extern Service *service_create(void);
extern void service_free(Service *service);
extern void service_tell(Service *service, const char *message);
extern Microseconds service_due(const Service *service);
extern void service_tick(Service *service, Microseconds now, const char *status);

#endif
