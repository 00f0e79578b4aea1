/* SPDX-License-Identifier: MIT
 *
 * ncurses, and the loop that waits for keys, readings and the clock at once. Signals
 * are taken in that wait only, so the terminal is given back from one place.
 */
#include "screen.h"

#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "top_text.h"

/* term.h has short names for everything. */
#undef columns

#define LINE 2048
#define DETAILS 6
#define PROGRAM_MAX 32

enum { PLAIN, ACTIVE, TROUBLE }; /* pairs of colours */

struct screen {
	struct scan *scan;
	struct rows *rows;
	double interval;
	enum column by;
	bool reverse, paused, help, quit;
	bool scanning;
	pid_t selected; /* 0: whatever comes first */
	size_t at, top; /* rows: the selected one, the first that is shown */
	size_t page;	/* rows that are shown */
	bool shown[COLUMNS];
	int program; /* width */
};

static volatile sig_atomic_t caught;

static void catch (int sig)
{
	caught = sig;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- drawing ---- */

/* One line, from edge to edge. */
static void put(int y, const char *text, attr_t attr)
{
	char line[LINE];

	text_fit(line, sizeof(line), text, COLS < LINE / 8 ? COLS : LINE / 8, 0);
	attrset((int)attr);
	mvaddstr(y, 0, line);
	attrset(A_NORMAL);
}

/* Columns go, those of the highest rank first, until the rest fits. */
static void choose_columns(struct screen *s)
{
	int width = 0, longest = columns[COL_PROGRAM].width;

	for (int c = 0; c < COLUMNS; c++) {
		s->shown[c] = true;
		width += columns[c].width + (c > 0);
	}
	for (int rank = COLUMNS; rank > 0 && width > COLS; rank--)
		for (int c = 0; c < COLUMNS; c++)
			if (columns[c].rank == rank && s->shown[c]) {
				s->shown[c] = false;
				width -= columns[c].width + 1;
			}
	for (size_t i = 0; i < s->rows->n; i++) {
		size_t n = strlen(s->rows->row[i].view->program);

		if ((int)n > longest)
			longest = n < PROGRAM_MAX ? (int)n : PROGRAM_MAX;
	}
	s->program = columns[COL_PROGRAM].width;
	if (COLS > width)
		s->program += COLS - width;
	if (s->program > longest)
		s->program = longest;
}

static void add_cell(const struct screen *s, enum column c, const char *text, char *line)
{
	char cell[512];

	text_fit(cell, sizeof(cell), text, c == COL_PROGRAM ? s->program : columns[c].width,
		 columns[c].right);
	if (strlen(line) + strlen(cell) + 2 < LINE) {
		strcat(line, *line ? " " : "");
		strcat(line, cell);
	}
}

static void draw_title(const struct screen *s, int y)
{
	char line[LINE];

	snprintf(line, sizeof(line), "fuse-aio top: %zu process%s, every %g s, by %s%s%s",
		 s->rows->n, s->rows->n == 1 ? "" : "es", s->interval, columns[s->by].title,
		 s->reverse ? " reversed" : "", s->paused ? ", PAUSED" : "");
	put(y, line, A_BOLD);
}

static void draw_header(const struct screen *s, int y)
{
	char line[LINE] = "";

	for (enum column c = 0; c < COLUMNS; c++)
		if (s->shown[c])
			add_cell(s, c, columns[c].title, line);
	put(y, line, A_REVERSE);
}

static void draw_row(const struct screen *s, const struct row *row, int y, bool selected)
{
	bool trouble = row->view->state != VIEW_READ;
	char line[LINE] = "", text[512];
	attr_t attr = A_NORMAL;

	for (enum column c = 0; c < COLUMNS; c++) {
		if (!s->shown[c] || (trouble && c > COL_PROGRAM))
			continue;
		row_text(row, c, text, sizeof(text));
		add_cell(s, c, text, line);
	}
	if (trouble) {
		strcat(line, " ");
		strncat(line, view_trouble(row->view), LINE - strlen(line) - 1);
	}
	if (trouble)
		attr = (attr_t)COLOR_PAIR(TROUBLE);
	else if (row->rate[VIEW_chains] > 0)
		attr = (attr_t)COLOR_PAIR(ACTIVE);
	put(y, line, selected ? attr | A_REVERSE : attr);
}

/* What is known of the selected process. */
static void draw_details(const struct screen *s, int y, int end)
{
	const struct row *row = &s->rows->row[s->at];
	const struct view *v = row->view;
	char line[LINE], text[512];

	snprintf(line, sizeof(line), "%d %s: %s%s", (int)v->pid, v->program,
		 v->state == VIEW_READ ? view_mode(v->mode) : view_trouble(v),
		 v->state == VIEW_READ && v->off ? ", calls pass through" : "");
	put(y++, line, A_BOLD);
	if (v->state != VIEW_READ)
		return;
	row_fallbacks(row, text, sizeof(text));
	snprintf(line, sizeof(line), "fallbacks: %s", *text ? text : "none");
	if (y < end)
		put(y++, line, A_NORMAL);
	for (uint32_t i = 0; i < v->devices && y < end; i++) {
		row_cold(row, i, text, sizeof(text));
		snprintf(line, sizeof(line), "cold: %s", text);
		if (*text)
			put(y++, line, A_NORMAL);
	}
}

static void draw_help(void)
{
	static const char *const keys[] = {
		"q quit    h help    p pause    ^L draw again",
		"up down page-up page-down home end    select",
		"< >    sort by the column to the left, right    r reverse",
		"",
	};
	char line[LINE];
	int y = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put(y++, keys[i], A_NORMAL);
	for (enum column c = 0; c < COLUMNS; c++) {
		snprintf(line, sizeof(line), "%-9s %s", columns[c].title, columns[c].help);
		put(y++, line, A_NORMAL);
	}
	put(y + 1, "any key goes back", A_NORMAL);
}

static void draw_footer(const struct screen *s, int y)
{
	char line[LINE], missing[160];

	rows_missing(s->rows, missing, sizeof(missing));
	snprintf(line, sizeof(line), "q quit  h help  p pause  < > sort  r reverse  %s",
		 missing);
	put(y, line, A_DIM);
}

static void draw_table(struct screen *s, int from, int to)
{
	s->page = to > from ? (size_t)(to - from) : 1;
	if (s->at < s->top)
		s->top = s->at;
	if (s->at >= s->top + s->page)
		s->top = s->at - s->page + 1;
	for (int y = from; y < to && s->top + (size_t)(y - from) < s->rows->n; y++) {
		size_t i = s->top + (size_t)(y - from);

		draw_row(s, &s->rows->row[i], y, i == s->at);
	}
	if (!s->rows->n && from < to)
		put(from,
		    "no process with the library: 'fuse-aio run -- COMMAND' starts one",
		    A_NORMAL);
}

/* What has no room is left out: details, footer, title, header, in this order. */
static void draw(struct screen *s)
{
	int end = LINES, y = 0;

	erase();
	if (s->help) {
		draw_help();
	} else {
		choose_columns(s);
		if (LINES >= 3)
			draw_title(s, y++);
		if (LINES >= 2)
			draw_header(s, y++);
		if (LINES >= 5)
			draw_footer(s, --end);
		if (LINES >= 14 && s->rows->n) {
			draw_details(s, end - DETAILS, end);
			end -= DETAILS + 1;
		}
		draw_table(s, y, end);
	}
	refresh();
}

/* ---- keys ---- */

static void select_row(struct screen *s, long at)
{
	long n = (long)s->rows->n;

	at = at >= n ? n - 1 : at;
	s->at = at < 0 ? 0 : (size_t)at;
	s->selected = n ? s->rows->row[s->at].view->pid : 0;
}

/* Sorted anew, the selected process where it is now. */
static void arrange(struct screen *s)
{
	rows_sort(s->rows, s->by, s->reverse);
	if (!s->selected)
		s->at = 0;
	for (size_t i = 0; s->selected && i < s->rows->n; i++)
		if (s->rows->row[i].view->pid == s->selected)
			s->at = i;
	if (s->at >= s->rows->n)
		s->at = s->rows->n ? s->rows->n - 1 : 0;
}

static void sort_by(struct screen *s, int step)
{
	s->by = (enum column)(((int)s->by + step + COLUMNS) % COLUMNS);
	arrange(s);
}

static void press_move(struct screen *s, int key)
{
	long at = (long)s->at, page = (long)s->page;

	if (key == KEY_UP || key == 'k')
		select_row(s, at - 1);
	else if (key == KEY_DOWN || key == 'j')
		select_row(s, at + 1);
	else if (key == KEY_PPAGE)
		select_row(s, at - page);
	else if (key == KEY_NPAGE)
		select_row(s, at + page);
	else if (key == KEY_HOME)
		select_row(s, 0);
	else if (key == KEY_END)
		select_row(s, (long)s->rows->n - 1);
}

static void press(struct screen *s, int key)
{
	if (s->help && key != KEY_RESIZE) {
		s->help = false;
		return;
	}
	switch (key) {
	case 'q':
		s->quit = true;
		break;
	case 'h':
	case '?':
		s->help = true;
		break;
	case 'p':
	case ' ':
		s->paused = !s->paused;
		break;
	case 'r':
		s->reverse = !s->reverse;
		arrange(s);
		break;
	case '<':
	case KEY_LEFT:
		sort_by(s, -1);
		break;
	case '>':
	case KEY_RIGHT:
		sort_by(s, 1);
		break;
	case 'L' & 0x1f:
		clearok(stdscr, TRUE);
		break;
	default:
		press_move(s, key);
	}
}

static void press_all(struct screen *s)
{
	int key;

	while ((key = getch()) != ERR)
		press(s, key);
	draw(s);
}

/* ---- the loop ---- */

static int begin(void)
{
	const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
	const char *move;
	int error;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return complain(
			"this is no terminal: use --once, --json or --prometheus FILE");
	if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
		return complain(
			"the terminal '%s' is not known here: set TERM, or use --once",
			term ? term : "");
	move = tigetstr("cup");
	if (!move || move == (char *)-1 || !newterm(NULL, stdout, stdin))
		return complain(
			"the terminal '%s' cannot place its cursor: set TERM, or use "
			"--once",
			term ? term : "");
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	set_escdelay(25);
	if (has_colors() && !(plain && *plain)) {
		start_color();
		use_default_colors();
		init_pair(ACTIVE, COLOR_GREEN, -1);
		init_pair(TROUBLE, COLOR_YELLOW, -1);
	}
	return 0;
}

/* A reading, when it is time for one, and what one has brought. A negative errno ends all.
 */
static int turn(struct screen *s, int64_t *next)
{
	int r = 0;

	if (!s->scanning && !s->paused && now_ms() >= *next) {
		*next = now_ms() + (int64_t)(s->interval * 1000);
		r = scan_begin(s->scan);
		s->scanning = r == 0;
	}
	if (s->scanning)
		r = scan_wait(s->scan, 0);
	if (r != 1)
		return r;
	s->scanning = false;
	r = rows_update(s->rows, scan_result(s->scan));
	if (r < 0)
		return r;
	arrange(s);
	draw(s);
	return 0;
}

static int loop(struct screen *s, const sigset_t *outside)
{
	/* Rates soon, then at the pace that was asked for. */
	int64_t next = now_ms() + (s->interval < 0.5 ? 100 : 500), left;
	int r;

	while (!s->quit && !caught) {
		struct pollfd p[2] = { { STDIN_FILENO, POLLIN, 0 }, { -1, POLLIN, 0 } };
		struct timespec t;

		r = turn(s, &next);
		if (r < 0)
			return r;
		left = next - now_ms();
		left = s->scanning ? 100 : left > 0 ? left : 0;
		t.tv_sec = left / 1000;
		t.tv_nsec = left % 1000 * 1000000;
		p[1].fd = s->scanning ? scan_fd(s->scan) : -1;
		r = ppoll(p, 2, s->paused && !s->scanning ? NULL : &t, outside);
		if (r < 0 && errno != EINTR)
			return -errno;
		/* A signal may have been the window's. */
		if (r < 0 || p[0].revents & POLLIN)
			press_all(s);
		if (r > 0 && p[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			caught = SIGHUP;
	}
	return 0;
}

int screen_run(struct scan *scan, struct rows *rows, double interval)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct screen s = {
		.scan = scan, .rows = rows, .interval = interval, .by = COL_CALLS
	};
	struct sigaction action = { .sa_handler = catch };
	sigset_t ours, outside;
	int r;

	if (begin() != 0)
		return EXIT_FAILURE;
	sigemptyset(&ours);
	sigaddset(&ours, SIGWINCH);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaction(ends[i], &action, NULL);
		sigaddset(&ours, ends[i]);
	}
	sigprocmask(SIG_BLOCK, &ours, &outside);
	arrange(&s);
	draw(&s);
	r = loop(&s, &outside);
	endwin();
	if (caught) {
		signal(caught, SIG_DFL);
		raise(caught);
	}
	sigprocmask(SIG_SETMASK, &outside, NULL);
	return r < 0 ? complain("reading processes: %s", strerror(-r)) : 0;
}
