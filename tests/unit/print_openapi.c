// SPDX-License-Identifier: Apache-2.0
/* Prints the OpenAPI document of the API: for tests/unit/check-openapi and docs/api.md. */
#include "api/openapi.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	int r = openapi_print(api_routes, nr_api_routes, STDOUT_FILENO);

	if (r < 0)
		fprintf(stderr, "print_openapi: %s\n", strerror(-r));
	return r < 0;
}
