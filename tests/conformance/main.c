/* freshet-conformance [--json] [--verbose] [--profiles FOLDER] FOLDER
 *
 * Runs every case file of a folder through the real parsers. Ends with one line a file:
 *	FILE cases N right N withheld N wrong N
 * Exit status 0: nothing wrong, every file of a known kind was read to its end, and there was one; 1: not so; 2:
 * usage. Files of kinds that are not known, or that this build has no reader for, are named.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "provider/obd/profile.h"
#include "tests/conformance/conformance.h"

static void usage(FILE *out)
{
	(void)fprintf(out, "usage: freshet-conformance [--json] [--verbose] [--profiles FOLDER] "
			   "FOLDER\n");
}

/* Returns -1 to go on, or the exit status. */
static int read_arguments(int argc, char **argv, struct conform_options *options)
{
	static const struct option known[] = {
		{"json", no_argument, NULL, 'j'},
		{"verbose", no_argument, NULL, 'v'},
		{"profiles", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'j':
			options->json = true;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'p':
			options->profiles = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (argc - optind != 1) {
		usage(stderr);
		return 2;
	}
	options->folder = argv[optind];
	return -1;
}

static bool folder_is_there(const char *folder)
{
	struct stat st;

	if (stat(folder, &st)) {
		(void)fprintf(stderr, "%s: %s: there are no cases to run\n", folder,
			      strerror(errno));
		return false;
	}
	if (!S_ISDIR(st.st_mode)) {
		(void)fprintf(stderr, "%s: not a folder\n", folder);
		return false;
	}
	return true;
}

/* ---- the report ---- */

static void print_json(const struct conform_file *file, const char *note)
{
	struct buf out;
	struct jw w;

	buf_init(&out, 1 << 16);
	jw_init(&w, &out);
	jw_open_object(&w);
	jw_text(&w, "file", file->path);
	jw_text(&w, "kind", file->kind ? file->kind->name : NULL);
	if (note) {
		jw_text(&w, "note", note);
	} else {
		const struct conform_counts *n = &file->counts;

		jw_int(&w, "cases", n->right + n->withheld + n->wrong);
		jw_int(&w, "right", n->right);
		jw_int(&w, "withheld", n->withheld);
		jw_int(&w, "wrong", n->wrong);
		jw_flag(&w, "whole", !file->failed);
	}
	jw_close_object(&w);
	(void)puts(buf_text(&out) ? buf_text(&out) : "{}");
	buf_free(&out);
}

static void print_note(const struct conform_options *options, const struct conform_file *file,
		       const char *note)
{
	if (options->json)
		print_json(file, note);
	else
		(void)printf("%s: %s\n", file->path, note);
}

/* Why no cases of a file ran; false where they did. */
static bool say_passed_over(const struct conform_options *options, const struct conform_file *file)
{
	char note[CONFORM_KEYS_SIZE + 80];

	if (file->shape == CONFORM_BROKEN)
		return true; /* said on stderr */
	if (file->listed) {
		(void)snprintf(note, sizeof(note), "listed by %.*s", CONFORM_KEYS_SIZE,
			       file->listed);
		if (options->verbose || options->json)
			print_note(options, file, note);
		return true;
	}
	if (file->shape == CONFORM_OTHER) {
		if (options->verbose)
			print_note(options, file, "no JSON: no file of cases");
		return true;
	}
	if (!file->kind) {
		(void)snprintf(note, sizeof(note), "unknown kind: its first keys are %s",
			       file->keys[0] ? file->keys : "none");
		print_note(options, file, note);
		return true;
	}
	if (!file->kind->take) {
		(void)snprintf(note, sizeof(note), "this build has no reader for the kind %s%s",
			       file->kind->name,
			       file->kind->lists ? ", to which the files that it lists belong"
						 : "");
		print_note(options, file, note);
		return true;
	}
	return false;
}

static void print_counts(const struct conform_options *options, const struct conform_file *file)
{
	const struct conform_counts *n = &file->counts;

	if (options->json) {
		print_json(file, NULL);
		return;
	}
	(void)printf(
		"%s cases %" PRId64 " right %" PRId64 " withheld %" PRId64 " wrong %" PRId64 "\n",
		file->path, n->right + n->withheld + n->wrong, n->right, n->withheld, n->wrong);
}

static bool has_cases(const struct conform_file *file)
{
	return file->kind && file->kind->take && !file->listed;
}

/* Returns the exit status. */
static int run_all(const struct conform_options *options, struct conform_files *files)
{
	size_t others = 0, ran = 0;
	int status = 0;

	for (size_t i = 0; i < files->count; i++) {
		struct conform_file *file = &files->all[i];

		others += file->shape == CONFORM_OTHER && !file->listed;
		if (!say_passed_over(options, file))
			conform_run_file(options, file);
	}
	if (others && !options->verbose && !options->json)
		(void)printf("%zu files are no JSON: no files of cases (--verbose names them)\n",
			     others);
	for (size_t i = 0; i < files->count; i++) {
		const struct conform_file *file = &files->all[i];

		if (file->failed || file->counts.wrong)
			status = 1;
		if (!has_cases(file))
			continue;
		ran++;
		print_counts(options, file);
	}
	if (ran)
		return status;
	(void)fprintf(stderr, "%s: no file of cases that this build can run\n", options->folder);
	return 1;
}

int main(int argc, char **argv)
{
	struct conform_options options = {.profiles = profile_dir()};
	struct conform_files files = {0};
	int status = read_arguments(argc, argv, &options);

	if (status >= 0)
		return status;
	if (!folder_is_there(options.folder) || conform_files_find(&options, &files))
		return 1;
	for (size_t i = files.count; i-- > 0;)
		if (files.all[i].kind && strcmp(files.all[i].kind->name, "ev_pids") == 0)
			options.facts = files.all[i].path;
	status = run_all(&options, &files);
	conform_files_free(&files);
	if (fflush(stdout) || ferror(stdout)) {
		(void)fprintf(stderr, "stdout: %s\n", strerror(errno));
		status = 1;
	}
	return status;
}
