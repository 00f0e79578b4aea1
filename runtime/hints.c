/* SPDX-License-Identifier: MIT
 *
 * The shared hints: regimes per file system and habits per call site. All
 * accesses are relaxed; the worst a race can do is to lose or double an update.
 */
#include "hints.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sys.h"

FA_HIDDEN struct fa_hints *fa_hints;

#define PROBES 8U

#define GET(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define SET(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

static uint32_t hash64(uint64_t v)
{
	return (uint32_t)((v * 0x9E3779B97F4A7C15ULL) >> 40);
}

FA_HIDDEN int fa_hints_make(void)
{
	fa_hints = fa_sys_mmap(NULL, sizeof(*fa_hints), PROT_READ | PROT_WRITE, MAP_SHARED);
	return fa_hints ? 0 : -ENOMEM;
}

FA_HIDDEN void fa_hints_private(void)
{
	static struct fa_hints copy;
	static char done;

	if (!fa_hints || __atomic_exchange_n(&done, 1, __ATOMIC_ACQ_REL))
		return;
	memcpy(&copy, fa_hints, sizeof(copy));
	/* In place: other threads hold no pointers but may be reading numbers. */
	if (!fa_sys_mmap(fa_hints, sizeof(copy), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_FIXED)) {
		__atomic_store_n(&done, 0, __ATOMIC_RELEASE);
		return;
	}
	memcpy(fa_hints, &copy, sizeof(copy));
}

static void move(uint32_t *score, bool up)
{
	uint32_t v = GET(score);

	if (up)
		v = v + FA_SCORE_UP > FA_SCORE_MAX ? FA_SCORE_MAX : v + FA_SCORE_UP;
	else
		v -= v > 0;
	SET(score, v);
}

static struct fa_regime *regime_of(uint64_t dev, bool make)
{
	if (!dev)
		return NULL;
	for (uint32_t i = hash64(dev), n = 0; n < PROBES; i++, n++) {
		struct fa_regime *r = &fa_hints->regime[i % FA_DEVICES];
		uint64_t has = GET(&r->dev);

		if (!has && make &&
		    __atomic_compare_exchange_n(&r->dev, &has, dev, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED)) {
			__atomic_add_fetch(&fa_hints->devices, 1, __ATOMIC_RELAXED);
			return r;
		}
		if (has == dev)
			return r;
		if (!has && !make)
			return NULL;
	}
	return NULL;
}

static void count_cold(void)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < FA_DEVICES; i++)
		for (unsigned op = 0; op < FA_TIMED_OPS; op++)
			n += GET(&fa_hints->regime[i].op[op].score) >= FA_SCORE_ON;
	SET(&fa_hints->any_cold, n);
}

FA_HIDDEN void fa_regime_note(uint64_t dev, enum fa_op op, uint64_t ns)
{
	bool waited = ns >= FA_COLD_NS;
	uint32_t *score, before;
	struct fa_regime *r;

	/* A device that never waited needs no entry. */
	if (!waited && !GET(&fa_hints->devices))
		return;
	r = regime_of(dev, waited);
	if (!r)
		return;
	score = &r->op[op].score;
	before = GET(score);
	move(score, waited);
	if (waited) {
		uint32_t old = GET(&r->op[op].wait_ns);
		uint32_t now = ns > 1000000000U ? 1000000000U : (uint32_t)ns;

		SET(&r->op[op].wait_ns, old ? old - old / 4 + now / 4 : now);
	}
	if ((before >= FA_SCORE_ON) != (GET(score) >= FA_SCORE_ON))
		count_cold();
}

FA_HIDDEN bool fa_regime_cold(uint64_t dev, enum fa_op op)
{
	const struct fa_regime *r = regime_of(dev, false);

	return r && GET(&r->op[op].score) >= FA_SCORE_ON;
}

FA_HIDDEN uint64_t fa_regime_wait(uint64_t dev, enum fa_op op)
{
	const struct fa_regime *r = regime_of(dev, false);

	return r && GET(&r->op[op].score) >= FA_SCORE_ON ? GET(&r->op[op].wait_ns) : 0;
}

FA_HIDDEN bool fa_device_cold(uint64_t dev)
{
	return fa_regime_cold(dev, FA_OPEN) || fa_regime_cold(dev, FA_READ);
}

FA_HIDDEN bool fa_device_local(uint64_t dev)
{
	return major(dev) && !fa_regime_cold(dev, FA_REOPEN);
}

static struct fa_place *place_of(const char *path, uint64_t *key)
{
	const char *slash = strrchr(path, '/');
	uint64_t h = 0xcbf29ce484222325ULL;

	for (const char *p = path; slash && p < slash; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ULL;
	*key = h | 1;
	return &fa_hints->place[hash64(h) % FA_PLACES];
}

FA_HIDDEN void fa_place_note(const char *path, uint64_t dev)
{
	uint64_t key;
	struct fa_place *p = place_of(path, &key);

	if (GET(&p->key) == key && GET(&p->dev) != dev && GET(&p->other) != dev) {
		SET(&p->other, dev);
		return;
	}
	SET(&p->other, 0);
	SET(&p->key, key);
	SET(&p->dev, dev);
}

FA_HIDDEN uint64_t fa_place_dev(const char *path)
{
	uint64_t key;
	const struct fa_place *p = place_of(path, &key);

	return GET(&p->key) == key ? GET(&p->dev) : 0;
}

FA_HIDDEN struct fa_hint *fa_hint_of(uint64_t site)
{
	if (!site)
		return NULL;
	for (uint32_t i = hash64(site), n = 0; n < PROBES; i++, n++) {
		struct fa_hint *h = &fa_hints->site[i % FA_SITES];
		uint64_t has = GET(&h->site);

		if (has == site)
			return h;
		if (!has && __atomic_compare_exchange_n(&h->site, &has, site, false,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return h;
	}
	return NULL;
}

FA_HIDDEN uint32_t fa_hint_window(const struct fa_hint *h, uint64_t size)
{
	uint32_t window;

	if (!h || GET(&h->reads) < FA_SCORE_ON)
		return 0;
	window = GET(&h->window);
	if (window < FA_WINDOW_MIN)
		window = FA_WINDOW_MIN;
	if (window > FA_WINDOW_MAX)
		window = FA_WINDOW_MAX;
	return size < window ? (uint32_t)size : window;
}

FA_HIDDEN void fa_hint_opened(struct fa_hint *h)
{
	if (!h)
		return;
	move(&h->reads, false);
	SET(&h->window, GET(&h->window) - GET(&h->window) / 16);
}

FA_HIDDEN void fa_hint_read(struct fa_hint *h, uint64_t bytes, bool first)
{
	if (!h)
		return;
	if (first)
		move(&h->reads, true);
	if (bytes > FA_WINDOW_MAX)
		bytes = FA_WINDOW_MAX;
	if (GET(&h->window) < bytes)
		SET(&h->window, (uint32_t)bytes);
}

FA_HIDDEN bool fa_hint_statted(struct fa_hint *h)
{
	bool sure;

	if (!h)
		return false;
	sure = GET(&h->opens) >= FA_SCORE_SURE && GET(&h->lead_us) >= FA_LEAD_US;
	move(&h->opens, false);
	return sure;
}

FA_HIDDEN void fa_hint_followed(struct fa_hint *h, uint64_t us, int oflags,
				const struct fa_hint *of)
{
	if (!h || us > 1000000)
		return; /* no chain would have lived that long */
	move(&h->opens, true);
	SET(&h->lead_us, GET(&h->lead_us) - GET(&h->lead_us) / 4 + (uint32_t)us / 4);
	SET(&h->oflags, (uint32_t)oflags);
	/* The window is learned where the file is opened and read. */
	if (of) {
		SET(&h->window, GET(&of->window));
		SET(&h->reads, GET(&of->reads));
	}
}
