/* What the files of the DBC reader share: dbc_parse.c reads the text, dbc.c finds and decodes. */
#ifndef AGENT_PROTOCOL_DBC_PRIV_H
#define AGENT_PROTOCOL_DBC_PRIV_H

#include "agent/protocol/dbc.h"

/* Joins multiplexed signals to their multiplexers. False with *ret_error set where that cannot be. */
bool dbc_link(struct dbc *dbc, struct dbc_error *ret_error);

#endif
