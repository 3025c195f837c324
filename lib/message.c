/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/message.h"

#include <assert.h>
#include <syslog.h>

static const struct message_info messages[N_MESSAGES] = {
    [MESSAGE_LAUNCH] = {"3f17ba0f63294ad3a4f8bcd812c50b24", "launch", LOG_INFO},
    [MESSAGE_REFUSAL] = {"21ed16bc899346a0bb5392f398aaa747", "refusal", LOG_WARNING},
    [MESSAGE_BACKOFF] = {"dbdf6ade4ce04357bcad10641438be23", "backoff", LOG_NOTICE},
    [MESSAGE_START] = {"9f28601c811d452d9f58a36605584ea3", "start", LOG_INFO},
    [MESSAGE_EXIT] = {"c9d2435f03e24b408b34f882a86a658d", "exit", LOG_NOTICE},
    [MESSAGE_RELEASE] = {"2e47d9a23c294a4cad765ab4e5e37847", "release", LOG_INFO},
    [MESSAGE_RESET] = {"8697b24948da45839ec77e32ea7dab4a", "reset", LOG_NOTICE},
    [MESSAGE_FORGET] = {"8a86f8472c4a45928521af974ae1f6a1", "forget", LOG_DEBUG},
    [MESSAGE_UNREACHABLE] = {"84c4a8c8a14b4405b5155d0131d34f5f", "unreachable", LOG_WARNING},
    [MESSAGE_UNCLEAR] = {"1657eafa6a634399b86643541d332159", "unclear", LOG_WARNING},
    [MESSAGE_OOMSCORE] = {"41b15ba85d784f6c88d8b769af38820d", "oomscore", LOG_WARNING},
    [MESSAGE_STATE] = {"703459ee1a714782af6c99e2ca1a799f", "state", LOG_WARNING},
    [MESSAGE_MOUNTS] = {"6ede13b45d4a4b1fb2f3538fad70ff2e", "mounts", LOG_WARNING},
    [MESSAGE_BUS] = {"a434afdbe7d143b59f97272f0dc213e1", "bus", LOG_WARNING},
    [MESSAGE_CLIENT] = {"b34c0349057149b59dd0666e921f3ba1", "client", LOG_WARNING},
    [MESSAGE_CONFIG] = {"673d4ad64e4e4b738ba9ca1d2873643e", "config", LOG_NOTICE},
    [MESSAGE_KUBELET] = {"431ab267e4774a70a71f16ecba0ab590", "kubelet", LOG_WARNING},
    [MESSAGE_KUBELET_BACK] = {"6326fa1b21c74ddcb5485bcdb6b7fab7", "answers", LOG_INFO},
    [MESSAGE_FAULT] = {"e53ddf3948514519a337a22234a7c808", "fault", LOG_WARNING},
    [MESSAGE_RUN] = {"1a1832dd4106e08fbcd9e2b97dc801d0", "run", LOG_NOTICE},
    [MESSAGE_STOP] = {"2523e26bb52b2730190a868c3f653db3", "stop", LOG_NOTICE},
    [MESSAGE_REMOVE] = {"35eb2527fa2c56452916a3b1476c5cbd", "remove", LOG_NOTICE},
    [MESSAGE_NO_START] = {"311402fda73d60ed1471eb50c2f31207", "no-start", LOG_WARNING},
};

const struct message_info *message_info(enum message message)
{
    assert(message < N_MESSAGES);

    return &messages[message];
}
