/* Texts that may be JSON: our reader and jansson must say the same of each. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/model/wire/json_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *what = json_peer_differ((const char *)data, size, NULL);

	if (what) {
		(void)fprintf(stderr, "%s\n", what);
		abort();
	}
	return 0;
}
