/* freshet-agent probe without a configuration: what serial adapters are there, and what is behind one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/daemon.h"
#include "agent/main_priv.h"
#include "agent/probe/ports.h"
#include "agent/probe/probe.h"
#include "agent/probe/section.h"
#include "base/ids.h"

#define TEXT_MAX ((size_t)256 * 1024)
#define BAUD_MIN 300
#define BAUD_MAX 4000000
#define SERIAL "serial:"

/* ---- what is there ---- */

static int list_json(const struct probe_port *ports, size_t count)
{
	struct buf out;
	struct jw w;
	int r;

	buf_init(&out, TEXT_MAX);
	jw_init(&w, &out);
	jw_open_object(&w);
	jw_key(&w, "adapters");
	jw_open_array(&w);
	for (size_t i = 0; i < count; i++) {
		char address[PROBE_PATH_SIZE + sizeof(SERIAL)];

		(void)snprintf(address, sizeof(address), SERIAL "%s", ports[i].name);
		jw_open_object(&w);
		jw_text(&w, "address", address);
		jw_text(&w, "device", ports[i].device);
		jw_flag(&w, "usable", ports[i].usable);
		jw_close_object(&w);
	}
	jw_close_array(&w);
	jw_close_object(&w);
	r = out.error;
	if (!r)
		(void)printf("%s\n", buf_text(&out));
	buf_free(&out);
	return r;
}

static void list_text(const struct probe_port *ports, size_t count)
{
	if (count == 0) {
		(void)puts("No serial adapter is plugged in (no /dev/ttyUSB*, /dev/ttyACM*, "
			   "/dev/rfcomm*).");
	} else {
		(void)printf("%zu serial adapter%s:\n", count, count == 1 ? "" : "s");
		for (size_t i = 0; i < count; i++)
			(void)printf("  " SERIAL "%s  (%s%s)\n", ports[i].name, ports[i].device,
				     ports[i].usable ? ""
						     : "; no permission: usermod -aG dialout USER");
	}
	(void)puts(
		"\nfreshet-agent probe --device ADDRESS says what is behind one; ADDRESS may also be\n"
		"tcp:192.168.0.10:35000 (Wi-Fi) or rfcomm:00:1D:A5:68:98:8B (Bluetooth).\n"
		"freshet-agent probe -c FILE looks at what FILE has configured.");
}

int main_probe_list(const struct options *options)
{
	struct probe_port ports[PROBE_PORTS_MAX];
	const size_t count = probe_ports_list("/dev", ports);
	int r = 0;

	if (options->json)
		r = list_json(ports, count);
	else
		list_text(ports, count);
	if (r)
		return main_fail("probe", r);
	return count ? EXIT_DONE : EXIT_FAILED;
}

/* ---- what the command line says ---- */

static int check_words(const struct options *options, unsigned *ret_baud)
{
	const char *source = options->source ? options->source : "obd0";
	const char *id = options->device_id ? options->device_id : source;
	char *end = NULL;
	unsigned long baud = 0;

	if (options->config_given || options->word_count)
		return main_usage_error("either a configuration or --device, not both", NULL);
	if (!stream_address_valid(options->device) && !canbus_interface(options->device))
		return main_usage_error("--device: expected " OBD_ADDRESS_FORMS ", not",
					options->device);
	if (options->baud)
		baud = strtoul(options->baud, &end, 10);
	if (options->baud && (*end || baud < BAUD_MIN || baud > BAUD_MAX))
		return main_usage_error("--baud: expected a speed from 300 to 4000000, not",
					options->baud);
	if (!ids_valid(source, strlen(source)))
		return main_usage_error("--source: expected letters, digits, . _ -, not", source);
	if (!ids_assignable(id, strlen(id)))
		return main_usage_error("--device-id: expected letters, digits, . _ -, not", id);
	*ret_baud = (unsigned)baud;
	return EXIT_DONE;
}

/* ---- the section ---- */

struct finding {
	const struct options *options;
	struct probe_result *result;
	char device[PROBE_PATH_SIZE + sizeof(SERIAL)]; /* by a name that lasts */
	char comment[256];
	struct probe_section section;
};

static void name_device(const char *device, char *out, size_t size)
{
	char name[PROBE_PATH_SIZE];

	if (strncmp(device, SERIAL, strlen(SERIAL)) != 0) {
		(void)snprintf(out, size, "%s", device);
		return;
	}
	probe_ports_name("/dev", device + strlen(SERIAL), name);
	(void)snprintf(out, size, SERIAL "%s", name);
}

static void make_section(struct finding *finding)
{
	const struct options *options = finding->options;
	const struct probe_result *result = finding->result;
	const struct source_report *report = &result->report;
	char vin[MODEL_VIN_SIZE];

	probe_vin(result, false, vin);
	name_device(options->device, finding->device, sizeof(finding->device));
	(void)snprintf(finding->comment, sizeof(finding->comment), "found by probe: %s, %s%s%s",
		       report->adapter, report->protocol[0] ? report->protocol : "bus not known",
		       vin[0] ? ", VIN " : "", vin);
	finding->section = (struct probe_section){
		.name = options->source ? options->source : "obd0",
		.device = finding->device,
		.profile = profile_name(result->candidates[result->suggested].profile),
		.baud = report->baud,
		.comment = finding->comment,
	};
	finding->section.device_id =
		options->device_id ? options->device_id : finding->section.name;
}

/* Adds the section to the file. Returns the exit code. */
static int write_section(const struct finding *finding)
{
	const char *path = finding->options->write;
	unsigned line = 0;
	const int r = probe_section_add(&finding->section, path, &line);

	if (r == -EEXIST) {
		(void)fprintf(
			stderr,
			"freshet-agent: %s:%u: has a section [source %s] or reads this device "
			"already; nothing was written (--source gives another name)\n",
			path, line, finding->section.name);
		return EXIT_FAILED;
	}
	return r ? main_fail(path, r) : EXIT_DONE;
}

/* ---- the result ---- */

static bool is_good(const struct probe_result *result)
{
	return result->found && result->suggested >= 0 && result->report.state == SOURCE_OK;
}

static int show_json(const struct finding *finding, bool has_section)
{
	struct buf out, text;
	struct jw w;
	int r;

	buf_init(&out, TEXT_MAX);
	buf_init(&text, TEXT_MAX);
	if (has_section)
		probe_section_print(&finding->section, &text);
	jw_init(&w, &out);
	jw_open_object(&w);
	probe_encode(finding->result, finding->options->device, finding->options->show_vin, &w);
	jw_text(&w, "section", has_section ? buf_text(&text) : NULL);
	jw_close_object(&w);
	r = out.error ? out.error : text.error;
	if (!r)
		(void)printf("%s\n", buf_text(&out));
	buf_free(&text);
	buf_free(&out);
	return r;
}

static int show_text(const struct finding *finding, bool has_section)
{
	const struct options *options = finding->options;
	struct buf out;
	int r;

	buf_init(&out, TEXT_MAX);
	probe_say(finding->result, options->device, options->show_vin, &out);
	if (has_section && !options->write) {
		buf_puts(&out, "\nFor agent.conf (--write FILE adds it):\n\n");
		probe_section_print(&finding->section, &out);
	}
	r = out.error;
	if (!r)
		(void)fputs(buf_text(&out), stdout);
	buf_free(&out);
	return r;
}

static int show(struct finding *finding)
{
	const struct options *options = finding->options;
	const bool has_section = finding->result->found && finding->result->suggested >= 0;
	int r;

	if (has_section)
		make_section(finding);
	r = options->json ? show_json(finding, has_section) : show_text(finding, has_section);
	if (r)
		return main_fail("probe", r);
	if (options->write && !has_section)
		(void)fprintf(stderr, "freshet-agent: nothing to write to %s\n", options->write);
	if (options->write && has_section) {
		const int code = write_section(finding);

		if (code)
			return code;
		if (!options->json)
			(void)printf("\n[source %s] was added to %s with device_id = %s: see that "
				     "the registry calls the device so,\n"
				     "then freshet-agent check-config -c %s\n",
				     finding->section.name, options->write,
				     finding->section.device_id, options->write);
	}
	return is_good(finding->result) ? EXIT_DONE : EXIT_FAILED;
}

static void show_progress(void *arg, const char *what)
{
	(void)arg;
	(void)fprintf(stderr, "\r\033[K%.70s ...", what);
}

static void end_progress(void)
{
	(void)fprintf(stderr, "\r\033[K");
}

/* ---- the course ---- */

static const char *folder_of(const struct options *options)
{
	return options->profiles ? options->profiles : profile_dir();
}

static int load_profiles(const struct options *options, struct profiles **ret_profiles)
{
	const char *dir = folder_of(options);
	int r = profiles_create(dir, ret_profiles);

	if (!r)
		r = profiles_load_all(*ret_profiles, stderr);
	return r ? main_fail(dir, r) : EXIT_DONE;
}

int main_probe_device(const struct options *options)
{
	struct probe_request request = {.device = options->device};
	struct finding finding = {.options = options};
	struct profiles *profiles = NULL;
	struct clock_system clock;
	const bool shown = isatty(STDERR_FILENO);
	int code = check_words(options, &request.baud);
	int r;

	if (code)
		return code;
	code = load_profiles(options, &profiles);
	if (code)
		goto out;
	request.profiles = profiles;
	request.can = canbus_opener_linux();
	request.progress = shown ? show_progress : NULL;
	finding.result = malloc(sizeof(*finding.result));
	r = finding.result ? clock_system_init(&clock, CLOCK_TRUST_KERNEL) : -ENOMEM;
	if (!r)
		r = probe_run(&request, stream_opener_linux(), &clock.clock, finding.result);
	if (shown)
		end_progress();
	if (r == -EINVAL)
		code = main_usage_error("there is no profile named generic in", folder_of(options));
	else
		code = r ? main_fail("probe", r) : show(&finding);
out:
	free(finding.result);
	profiles_destroy(profiles);
	return code;
}
