/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What gantry says to the journal: one kind of message for each thing that an operator may search
 * for. systemd/gantry.catalog explains each, gantryd(8) lists them with their fields.
 */

enum message {
    MESSAGE_LAUNCH,       /* a launch goes to rkt; what each room changed */
    MESSAGE_REFUSAL,      /* a room refused a launch */
    MESSAGE_BACKOFF,      /* a prepare came before its back-off was over */
    MESSAGE_START,        /* a rkt pod begins to run */
    MESSAGE_EXIT,         /* a rkt pod has ended */
    MESSAGE_RELEASE,      /* a back-off is over */
    MESSAGE_RESET,        /* the operator ended a back-off */
    MESSAGE_FORGET,       /* a pod is known no longer */
    MESSAGE_UNREACHABLE,  /* the drop-in could not ask gantryd */
    MESSAGE_UNCLEAR,      /* a launch was not understood, and went to rkt untouched */
    MESSAGE_OOMSCORE,     /* the kernel does not let an app have its OOM score */
    MESSAGE_STATE,        /* a state file could not be read or written */
    MESSAGE_MOUNTS,       /* it cannot be found out which mounts of subPaths are needed */
    MESSAGE_BUS,          /* systemd could not be asked over D-Bus */
    MESSAGE_CLIENT,       /* a client was turned away or cut off */
    MESSAGE_CONFIG,       /* the configuration was read again */
    MESSAGE_KUBELET,      /* the kubelet could not be asked for its pods */
    MESSAGE_KUBELET_BACK, /* it answers again */
    MESSAGE_FAULT,        /* something in the configuration is not as it should be */
    MESSAGE_RUN,          /* a pod of gantry's own was started */
    MESSAGE_STOP,         /* one was stopped, or is not restarted */
    MESSAGE_REMOVE,       /* one was removed */
    MESSAGE_NO_START,     /* one could not be started */
    N_MESSAGES,
};

struct message_info {
    const char *id;   /* MESSAGE_ID=, 32 hex digits */
    const char *name; /* the word for it, as gantryctl monitor shows it */
    int priority;     /* PRIORITY=, of syslog(3) */
};

/* Return: static. */
const struct message_info *message_info(enum message message);
