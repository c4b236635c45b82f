// SPDX-License-Identifier: Apache-2.0
/* Finds out which scenario is wanted, and runs it. */
#include "tests/guest/guest.h"

#define ZP_E820_ENTRIES 0x1e8
#define ZP_CMDLINE	0x228
#define ZP_E820		0x2d0
#define WORD		"MOTE_CMD="

void guest_main(const uint8_t *zero_page);

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "memory", scenario_memory },	 { "map", scenario_map },
	{ "ports", scenario_ports },	 { "strings", scenario_strings },
	{ "mmio", scenario_mmio },	 { "queues", scenario_queues },
	{ "chains", scenario_chains },	 { "disk", scenario_disk },
	{ "storm", scenario_storm },	 { "race", scenario_race },
	{ "keys", scenario_keys },	 { "bytes", scenario_bytes },
	{ "flood", scenario_flood },	 { "status", scenario_status },
	{ "triple", scenario_triple },	 { "hang", scenario_hang },
	{ "spin", scenario_spin },	 { "reset", scenario_reset },
	{ "cmdline", scenario_cmdline }, { "balloon", scenario_balloon },
	{ "hostile", scenario_hostile }, { "duel", scenario_duel },
};

/* The value of MOTE_CMD on the kernel's command line, "" when it is not there. */
static const char *scenario_name(const char *line)
{
	static char name[32];
	size_t n = 0;

	while (*line) {
		const char *word = line;
		size_t i = 0;

		while (*line && *line != ' ')
			line++;
		while (WORD[i] && word[i] == WORD[i])
			i++;
		if (!WORD[i]) {
			for (word += i; word < line && n < sizeof(name) - 1; word++)
				name[n++] = *word;
			break;
		}
		while (*line == ' ')
			line++;
	}
	return name;
}

void guest_main(const uint8_t *zero_page)
{
	uint32_t cmdline;
	const char *name;

	e820 = (const void *)(zero_page + ZP_E820);
	nr_e820 = zero_page[ZP_E820_ENTRIES];
	memcpy(&cmdline, zero_page + ZP_CMDLINE, sizeof(cmdline));
	command_line = (const char *)(uint64_t)cmdline;
	name = scenario_name(command_line);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		if (str_eq(name, scenarios[i].name)) {
			scenarios[i].run();
			finish(0);
		}
	}
	fail("no scenario is called '%s'", name);
}
