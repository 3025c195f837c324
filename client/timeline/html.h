/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A timeline as one page of HTML: a picture (SVG), and a table that says the same. It loads nothing
 * and runs nothing. What the journal says is a pod's author's, and stands in it only escaped.
 */

#include <stdio.h>

#include "client/timeline/journal.h"
#include "client/timeline/model.h"

void timeline_html(FILE *f, const struct timeline_pod *pod, const struct timeline *timeline);
