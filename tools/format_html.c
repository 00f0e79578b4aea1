/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio report --format html`: the summary as one page.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "formats.h"
#include "html_page.h"

int format_html(const struct summary *s, FILE *out)
{
	json_t *object = summary_json(s);
	char *json = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
	int status = json ? 0 : complain("out of memory");

	/* What goes wrong with `out` is the caller's to tell. */
	if (json)
		html_page(json, strlen(json), out);
	free(json);
	json_decref(object);
	return status;
}
