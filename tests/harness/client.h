/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A client of the API socket that may say anything, at any pace; and one launch as the kubelet's.
 */

#include <jansson.h>

/* Connects to a socket; what is read from it comes within ten seconds. Return: an fd, or -1. */
int client_connect_to(const char *path);

/* The same to gantryd's own, which has to be served. */
int client_connect(void);

/* Sends a message with its NUL. */
void client_send(int fd, const char *text);

/* Reads one message. Return: a new reference, NULL at the end. */
json_t *client_receive(int fd);

/* Return: the string at a path like "parameters.reason" of the message, or "". */
const char *client_field(const json_t *message, const char *outer, const char *inner);

/* Sends a call, which has to be answered with that error and, unless name is NULL, that parameter.
 */
void client_expect_error(int fd, const char *call, const char *error, const char *name,
                         const char *value);

/* Prepares pod default/NAME through the drop-in. */
void launch_pod(const char *uid, const char *name);
