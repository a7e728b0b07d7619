/* Which bytes answer which request, maker by maker; who stands where on the bus. */
#include "tests/sim/ecu.h"
#include "tests/sim/units.h"

/* ---- Hyundai/Kia: E-GMP, and Kona/Niro before it ---- */

static const struct unit_record egmp_battery[] = {
	{0x22,
	 0x0101,
	 59,
	 true,
	 0,
	 {{4, 1, UNIT_BMS_SOC, 2, 0},
	  {5, 2, UNIT_CONSTANT, 0, 8256}, /* 82.56 kW may be put in */
	  {7, 2, UNIT_CONSTANT, 0, 3316},
	  {10, 2, UNIT_PACK_A, 10, 0},
	  {12, 2, UNIT_PACK_V, 10, 0},
	  {14, 1, UNIT_TEMP_MAX, 1, 0},
	  {15, 1, UNIT_TEMP_MIN, 1, 0},
	  {23, 1, UNIT_CELL_MAX, 50, 0},
	  {25, 1, UNIT_CELL_MIN, 50, 0},
	  {29, 1, UNIT_AUX_V, 10, 0},
	  {30, 4, UNIT_CHARGED_KWH, 14, 0}, /* Ah at 0.1 */
	  {34, 4, UNIT_CHARGED_KWH, 13, 0},
	  {38, 4, UNIT_CHARGED_KWH, 10, 0},
	  {42, 4, UNIT_CHARGED_KWH, 9, 0},
	  {46, 4, UNIT_RUN_S, 1, 7000000}}},
	{0x22, 0x0105, 43, true, 0, {{25, 2, UNIT_SOH, 10, 0}, {31, 1, UNIT_SOC, 2, 0}}},
	{0},
};

static const struct unit_record egmp_charger[] = {
	{0x22,
	 0xE001,
	 36,
	 false,
	 1,
	 {{17, 1, UNIT_DC_ACTIVE, 8, 0},
	  {17, 1, UNIT_AC_ACTIVE, 4, 0},
	  {23, 2, UNIT_AC_AMPERES, 10, 0},
	  {28, 2, UNIT_CHARGER_W, 0.1, 5}}},
	{0x22,
	 0xE003,
	 60,
	 false,
	 0,
	 {{7, 2, UNIT_AC_ACTIVE, 533, 0}, {13, 2, UNIT_PACK_V, 10, 0}, {15, 1, UNIT_SOC, 2, 0}}},
	{0x22,
	 0xE004,
	 22,
	 false,
	 0,
	 {{4, 1, UNIT_CHARGING, 4, 0}, {4, 1, UNIT_PLUGGED, 2, 0}, {4, 1, UNIT_IGNITION, 4, 0}}},
	{0},
};

/* Outside and inside temperature, speed at the end. */
static const struct unit_record hyundai_climate[] = {
	{0x22,
	 0x0100,
	 36,
	 false,
	 0,
	 {{5, 1, UNIT_INSIDE, 2, 80}, {6, 1, UNIT_OUTSIDE, 2, 80}, {29, 1, UNIT_SPEED, 1, 0}}},
	{0},
};

static const struct unit_record hyundai_cluster[] = {
	{0x22, 0xB002, 12, false, 0, {{6, 3, UNIT_ODOMETER, 1, 0}}},
	{0},
};

/* One set to miles: zero kilometres, and the miles behind them. */
static const struct unit_record niro_cluster[] = {
	{0x22, 0xB002, 12, false, 0, {{9, 3, UNIT_ODOMETER, 1 / 1.609344, 0}}},
	{0},
};

static const struct unit_record egmp_tyres[] = {
	{0x22,
	 0xC00B,
	 33,
	 false,
	 0,
	 {{4, 1, UNIT_TYRE_FL_PSI, 5, 0},
	  {9, 1, UNIT_TYRE_FR_PSI, 5, 0},
	  {14, 1, UNIT_TYRE_RL_PSI, 5, 0},
	  {19, 1, UNIT_TYRE_RR_PSI, 5, 0}}},
	{0},
};

static const struct unit_record niro_tyres[] = {
	{0x22,
	 0xC00B,
	 20,
	 false,
	 0,
	 {{4, 1, UNIT_TYRE_FL_PSI, 5, 0},
	  {8, 1, UNIT_TYRE_FR_PSI, 5, 0},
	  {12, 1, UNIT_TYRE_RL_PSI, 5, 0},
	  {16, 1, UNIT_TYRE_RR_PSI, 5, 0}}},
	{0},
};

static const struct unit_record egmp_body[] = {
	{0x22, 0xBC03, 8, false, 0, {{5, 1, UNIT_IGNITION, 0x60, 0}}},
	{0},
};

/* Here byte 9 and byte 50 speak: relay, "charging" (also while it drives), ignition. */
static const struct unit_record niro_battery[] = {
	{0x22,
	 0x0101,
	 59,
	 true,
	 0,
	 {{4, 1, UNIT_BMS_SOC, 2, 0},
	  {9, 1, UNIT_CONSTANT, 0, 0x81},
	  {10, 2, UNIT_PACK_A, 10, 0},
	  {12, 2, UNIT_PACK_V, 10, 0},
	  {14, 1, UNIT_TEMP_MAX, 1, 0},
	  {15, 1, UNIT_TEMP_MIN, 1, 0},
	  {23, 1, UNIT_CELL_MAX, 50, 0},
	  {25, 1, UNIT_CELL_MIN, 50, 0},
	  {29, 1, UNIT_AUX_V, 10, 0},
	  {30, 4, UNIT_CHARGED_KWH, 28, 0},
	  {34, 4, UNIT_CHARGED_KWH, 27, 0},
	  {38, 4, UNIT_CHARGED_KWH, 10, 0},
	  {42, 4, UNIT_CHARGED_KWH, 9, 0},
	  {46, 4, UNIT_RUN_S, 1, 9000000},
	  {50, 1, UNIT_IGNITION, 4, 0}}},
	{0x22, 0x0105, 43, true, 0, {{25, 2, UNIT_SOH, 10, 0}, {31, 1, UNIT_SOC, 2, 0}}},
	{0},
};

/* The drive unit has service 21 here, which E-GMP lacks. */
static const struct unit_record niro_drive[] = {
	{0x21, 0x01, 22, false, 0, {{0, 1, UNIT_CONSTANT, 0, 0xFF}}},
	{0},
};

/* ---- Nissan Leaf: three layouts of one answer ---- */

#define LEAF_BATTERY(len, hx, soc, ah)                                                             \
	{                                                                                          \
		0x21, 0x01, (len), true, 0,                                                        \
		{                                                                                  \
			{18, 2, UNIT_PACK_V, 100, 0}, {(hx), 2, UNIT_SOH, 90, 0},                  \
				{(soc), 3, UNIT_BMS_SOC, 10000, 0},                                \
			{                                                                          \
				(ah), 3, UNIT_CAPACITY_KWH, 10000 / 0.36, 0                        \
			}                                                                          \
		}                                                                                  \
	}

#define LEAF_TEMPERATURES                                                                          \
	{                                                                                          \
		0x21, 0x04, 14, true, 0,                                                           \
		{                                                                                  \
			{2, 1, UNIT_TEMP_MIN, 1, 0}, {5, 1, UNIT_TEMP_MAX, 1, 0},                  \
			{                                                                          \
				11, 1, UNIT_TEMP_MIN, 1, 0                                         \
			}                                                                          \
		}                                                                                  \
	}

static const struct unit_record leaf_24_battery[] = {
	LEAF_BATTERY(39, 26, 29, 33),
	LEAF_TEMPERATURES,
	{0},
};
static const struct unit_record leaf_30_battery[] = {
	LEAF_BATTERY(41, 26, 29, 33),
	LEAF_TEMPERATURES,
	{0},
};
static const struct unit_record leaf_40_battery[] = {
	LEAF_BATTERY(51, 28, 31, 35),
	{0x21,
	 0x02,
	 196,
	 true,
	 0,
	 {{0, 2, UNIT_CELL_MIN, 1000, 0}, {2, 2, UNIT_CELL_MAX, 1000, 0}}},
	{0x21, 0x61, 10, false, 0, {{2, 2, UNIT_SOH, 100, 0}}},
	LEAF_TEMPERATURES,
	{0},
};

static const struct unit_record leaf_vehicle[] = {
	{0x22, 0x1203, 2, false, 0, {{0, 2, UNIT_CONSTANT, 0, 41}}},
	{0x22, 0x1205, 2, false, 0, {{0, 2, UNIT_CONSTANT, 0, 732}}},
	{0x22, 0x114E, 1, false, 0, {{0, 1, UNIT_AC_ACTIVE, 2, 0}, {0, 1, UNIT_DC_ACTIVE, 3, 0}}},
	{0x22, 0x1234, 1, false, 0, {{0, 1, UNIT_PLUGGED, 2, 0}}},
	{0x22, 0x1236, 2, false, 0, {{0, 2, UNIT_CHARGER_W, 0.01, 0}}},
	{0x22, 0x1103, 1, false, 0, {{0, 1, UNIT_AUX_V, 12.5, 0}}},
	{0x22, 0x1156, 1, false, 0, {{0, 1, UNIT_DRIVING, 3, 1}}}, /* P or D */
	{0x22, 0x121A, 2, false, 0, {{0, 2, UNIT_SPEED, 10, 0}}},
	{0},
};

static const struct unit_record leaf_cluster[] = {
	{0x22, 0x0E01, 3, false, 0, {{0, 3, UNIT_ODOMETER, 1, 0}}},
	{0x22, 0x0E25, 1, false, 0, {{0, 1, UNIT_TYRE_FR_PSI, 4, 0}}},
	{0x22, 0x0E26, 1, false, 0, {{0, 1, UNIT_TYRE_FL_PSI, 4, 0}}},
	{0x22, 0x0E27, 1, false, 0, {{0, 1, UNIT_TYRE_RR_PSI, 4, 0}}},
	{0x22, 0x0E28, 1, false, 0, {{0, 1, UNIT_TYRE_RL_PSI, 4, 0}}},
	{0},
};

/* ---- BMW i3: negative current discharges ---- */

static const struct unit_record i3_battery[] = {
	{0x22,
	 0xDDBC,
	 6,
	 false,
	 0,
	 {{0, 2, UNIT_SOC, 10, 0}, {2, 2, UNIT_CONSTANT, 0, 952}, {4, 2, UNIT_CONSTANT, 0, 84}}},
	{0x22, 0xDD68, 2, true, 0, {{0, 2, UNIT_PACK_V, 100, 0}}},
	{0x22, 0xDD69, 4, false, 0, {{0, 4, UNIT_PACK_A, -100, 0}}},
	{0x22, 0xDDC0, 8, false, 0, {{0, 2, UNIT_TEMP_MIN, 100, 0}, {2, 2, UNIT_TEMP_MAX, 100, 0}}},
	{0x22, 0x6335, 4, false, 0, {{3, 1, UNIT_SOH, 1, 0}}},
	{0},
};

static const struct unit_record i3_charger[] = {
	{0x22, 0xDE00, 25, false, 0, {{3, 1, UNIT_PLUGGED, 1, 0}, {4, 1, UNIT_CHARGING, 1, 0}}},
	{0},
};

static const struct unit_record i3_cluster[] = {
	{0x22, 0xD10D, 8, false, 0, {{0, 4, UNIT_ODOMETER, 1, 0}}},
	{0x22, 0xD107, 2, false, 0, {{0, 2, UNIT_SPEED, 10, 0}}},
	{0x22, 0xD111, 12, false, 0, {{0, 2, UNIT_RANGE_KM, 10, 0}}},
	{0},
};

/* ---- VW MEB ---- */

static const struct unit_record meb_battery[] = {
	{0x22, 0x028C, 1, false, 0, {{0, 1, UNIT_BMS_SOC, 2.5, 0}}},
	{0x22, 0x1E3B, 2, false, 0, {{0, 2, UNIT_PACK_V, 4, 0}}},
	{0x22, 0x1E3D, 4, false, 0, {{0, 4, UNIT_PACK_A, -100, 150000}}},
	{0x22, 0x1E0E, 4, false, 0, {{0, 2, UNIT_TEMP_MAX, 64, 0}}},
	{0x22, 0x1E0F, 4, false, 0, {{0, 2, UNIT_TEMP_MIN, 64, 0}}},
	{0x22, 0x2A0B, 1, false, 0, {{0, 1, UNIT_TEMP_MIN, 2, 80}}},
	{0x22,
	 0x7448,
	 1,
	 false,
	 0,
	 {{0, 1, UNIT_AC_ACTIVE, 4, 0}, {0, 1, UNIT_DC_ACTIVE, 8, 0}, {0, 1, UNIT_IGNITION, 1, 0}}},
	{0x22, 0xF40D, 1, false, 0, {{0, 1, UNIT_SPEED, 1, 0}}},
	{0},
};

static const struct unit_record meb_body[] = {
	{0x22, 0x295A, 3, false, 0, {{0, 3, UNIT_ODOMETER, 1, 0}}},
	{0},
};

static const struct unit_record meb_gateway[] = {
	{0x22, 0x2AB6, 2, false, 0, {{0, 2, UNIT_RANGE_KM, 1, 0}}},
	{0x22, 0x2AB2, 2, false, 0, {{0, 2, UNIT_CAPACITY_KWH, 20, 0}}},
	{0x22, 0x2AF7, 23, false, 0, {{0, 2, UNIT_AUX_V, 1000, -4000}}},
	{0},
};

/* ---- Renault Zoe, phase 2: the raw current is offset, negative discharges ---- */

static const struct unit_record zoe_battery[] = {
	{0x22, 0x9002, 2, false, 0, {{0, 2, UNIT_BMS_SOC, 100, 0}}},
	{0x22, 0x9003, 2, false, 0, {{0, 2, UNIT_SOH, 100, 0}}},
	{0x22, 0x9005, 2, false, 0, {{0, 2, UNIT_PACK_V, 10, 0}}},
	{0x22, 0x925D, 2, false, 0, {{0, 2, UNIT_PACK_A, -32, 32640}}},
	{0x22, 0x9012, 2, false, 0, {{0, 2, UNIT_TEMP_MIN, 16, 640}}},
	{0x22, 0x91C8, 3, false, 0, {{0, 3, UNIT_CAPACITY_KWH, 600, 0}}},
	{0},
};

static const struct unit_record zoe_vehicle[] = {
	{0x22, 0x2006, 3, false, 0, {{0, 3, UNIT_ODOMETER, 1, 0}}},
	{0x22, 0x2003, 2, false, 0, {{0, 2, UNIT_SPEED, 100, 0}}},
	{0x22, 0x2005, 2, false, 0, {{0, 2, UNIT_AUX_V, 100, 0}}},
	{0x22, 0x2B85, 1, false, 0, {{0, 1, UNIT_PLUGGED, 1, 0}}},
	{0},
};

/* Phase 1: half volts, a quarter of an ampere around 8000 hex. */
static const struct unit_record zoe_40_vehicle[] = {
	{0x22, 0x3203, 2, false, 0, {{0, 2, UNIT_PACK_V, 2, 0}}},
	{0x22, 0x3204, 2, false, 0, {{0, 2, UNIT_PACK_A, -4, 32768}}},
	{0x22, 0x2003, 2, false, 0, {{0, 2, UNIT_SPEED, 100, 0}}},
	{0x22, 0x200E, 1, false, 0, {{0, 1, UNIT_IGNITION, 1, 0}}},
	{0x22, 0x339D, 1, false, 0, {{0, 1, UNIT_PLUGGED, 1, 0}}},
	{0x22, 0x2002, 2, false, 0, {{0, 2, UNIT_SOC, 50, 0}}},
	{0x22, 0x3451, 2, false, 0, {{0, 2, UNIT_RANGE_KM, 1, 0}}},
	{0x22, 0x2006, 3, false, 0, {{0, 3, UNIT_ODOMETER, 1, 0}}},
	{0x22, 0x3206, 1, false, 0, {{0, 1, UNIT_SOH, 1, 0}}},
	{0x22, 0x2005, 2, false, 0, {{0, 2, UNIT_AUX_V, 100, 0}}},
	{0},
};

/* ---- Chevrolet Bolt ---- */

static const struct unit_record bolt_battery[] = {
	{0x22, 0x8334, 1, false, 0, {{0, 1, UNIT_SOC, 2.55, 0}}},
	{0x22, 0x43AF, 2, false, 0, {{0, 2, UNIT_BMS_SOC, 655.35, 0}}},
	{0x22, 0x4373, 2, false, 0, {{1, 1, UNIT_CHARGING, 1, 0}}},
	{0x22, 0x4531, 1, false, 0, {{0, 1, UNIT_AC_ACTIVE, 2, 0}, {0, 1, UNIT_DC_ACTIVE, 3, 0}}},
	{0x22, 0x4368, 1, false, 0, {{0, 1, UNIT_AC_ACTIVE, 115, 0}}},
	{0x22, 0x4369, 1, false, 0, {{0, 1, UNIT_AC_AMPERES, 5, 0}}},
	{0x22, 0x434F, 1, false, 0, {{0, 1, UNIT_TEMP_MIN, 1, 40}}},
	{0},
};

static const struct unit_record bolt_drive[] = {
	{0x22, 0x000D, 1, false, 0, {{0, 1, UNIT_SPEED, 1, 0}}},
	{0},
};

/* ---- Ford Mustang Mach-E ---- */

static const struct unit_record ford_battery[] = {
	{0x22, 0x4801, 2, false, 0, {{0, 2, UNIT_BMS_SOC, 500, 0}}},
	{0x22, 0x4845, 1, false, 0, {{0, 1, UNIT_SOC, 2, 0}}},
	{0x22, 0x480D, 2, false, 0, {{0, 2, UNIT_PACK_V, 100, 0}}},
	{0x22, 0x48F9, 2, false, 0, {{0, 2, UNIT_PACK_A, 10, 0}}},
	{0x22, 0x490C, 1, false, 0, {{0, 1, UNIT_SOH, 2, 0}}},
	{0x22, 0x4800, 1, false, 0, {{0, 1, UNIT_TEMP_MIN, 1, 50}}},
	{0x22, 0x484F, 1, false, 0, {{0, 1, UNIT_CHARGING, 4, 1}}}, /* 1 ready, 5 charges */
	{0},
};

static const struct unit_record ford_drive[] = {
	{0x22, 0xDD01, 3, false, 0, {{0, 3, UNIT_ODOMETER, 1, 0}}},
	{0x22, 0x1505, 2, false, 0, {{0, 2, UNIT_SPEED, 128, 0}}},
	{0},
};

static const struct unit_record ford_body[] = {
	{0x22, 0x402A, 1, false, 0, {{0, 1, UNIT_AUX_V, 20, -120}}},
	{0x22, 0x2813, 2, false, 0, {{0, 2, UNIT_TYRE_FL_PSI, 20, 0}}},
	{0x22, 0x2814, 2, false, 0, {{0, 2, UNIT_TYRE_FR_PSI, 20, 0}}},
	{0x22, 0x2815, 2, false, 0, {{0, 2, UNIT_TYRE_RR_PSI, 20, 0}}},
	{0x22, 0x2816, 2, false, 0, {{0, 2, UNIT_TYRE_RL_PSI, 20, 0}}},
	{0},
};

/* ---- Toyota bZ4X ---- */

static const struct unit_record toyota_dash[] = {
	{0x22, 0x1739, 1, false, 0, {{0, 1, UNIT_SOC, 1, 0}}},
	{0},
};

static const struct unit_record toyota_drive[] = {
	{0x22, 0x1F5B, 1, false, 0, {{0, 1, UNIT_BMS_SOC, 2.55, 0}}},
	{0x22, 0x1F0D, 1, false, 0, {{0, 1, UNIT_SPEED, 1, 0}}},
	{0},
};

static const struct unit_record toyota_cluster[] = {
	{0x22, 0x0103, 4, false, 0, {{1, 3, UNIT_ODOMETER, 1, 0}}},
	{0},
};

/* ---- who stands where ---- */

#define LEGISLATED_CAN11                                                                           \
	{0x7E0, 0x7E8, 11, 0, ECU_POWERTRAIN, false, NULL},                                        \
	{                                                                                          \
		0x7E4, 0x7EC, 11, 0, ECU_BATTERY, false, NULL                                      \
	}

static const struct unit_family generic_can11 = {UNIT_BUS_CAN11, true, {LEGISLATED_CAN11}, 2};

static const struct unit_family generic_can29 = {
	UNIT_BUS_CAN29,
	true,
	{{0x18DA10F1, 0x18DAF110, 29, 0, ECU_POWERTRAIN, false, NULL},
	 {0x18DA18F1, 0x18DAF118, 29, 0, ECU_GEARBOX, false, NULL},
	 {0x18DA28F1, 0x18DAF128, 29, 0, ECU_BRAKES, false, NULL}},
	3};

/* On the K-line an identifier is a physical address. */
static const struct unit_family generic_kline = {UNIT_BUS_KLINE,
						 true,
						 {{0x10, 0x10, 8, 0, ECU_POWERTRAIN, false, NULL}},
						 1};

#define HYUNDAI_UNITS(battery, drive, climate, cluster, tyres)                                     \
	{0x7E4, 0x7EC, 11, 0, ECU_BATTERY, true, battery},                                         \
		{0x7E2, 0x7EA, 11, 0, ECU_POWERTRAIN, true, drive},                                \
		{0x7B3, 0x7BB, 11, 0, -1, false, climate},                                         \
		{0x7C6, 0x7CE, 11, 0, -1, false, cluster},                                         \
	{                                                                                          \
		0x7A0, 0x7A8, 11, 0, -1, false, tyres                                              \
	}

static const struct unit_family egmp = {
	UNIT_BUS_CAN11,
	true,
	{HYUNDAI_UNITS(egmp_battery, NULL, hyundai_climate, hyundai_cluster, egmp_tyres),
	 {0x744, 0x74C, 11, 0, -1, false, egmp_charger},
	 {0x770, 0x778, 11, 0, -1, false, egmp_body}},
	7};

static const struct unit_family gen1 = {
	UNIT_BUS_CAN11,
	true,
	{HYUNDAI_UNITS(niro_battery, niro_drive, hyundai_climate, niro_cluster, niro_tyres)},
	5};

#define LEAF_FAMILY(battery)                                                                       \
	{                                                                                          \
		UNIT_BUS_CAN11, false,                                                             \
			{{0x79B, 0x7BB, 11, 0, -1, false, battery},                                \
			 {0x797, 0x79A, 11, 0, -1, true, leaf_vehicle},                            \
			 {0x743, 0x763, 11, 0, -1, false, leaf_cluster}},                          \
			3                                                                          \
	}

static const struct unit_family leaf_24 = LEAF_FAMILY(leaf_24_battery);
static const struct unit_family leaf_30 = LEAF_FAMILY(leaf_30_battery);
static const struct unit_family leaf_40 = LEAF_FAMILY(leaf_40_battery);

static const struct unit_family i3 = {UNIT_BUS_CAN11,
				      true,
				      {LEGISLATED_CAN11,
				       {0x6F1, 0x607, 11, 0x07, -1, false, i3_battery},
				       {0x6F1, 0x61A, 11, 0x1A, -1, false, i3_charger},
				       {0x6F1, 0x660, 11, 0x60, -1, true, i3_cluster}},
				      5};

static const struct unit_family meb = {
	UNIT_BUS_CAN29,
	true,
	{{0x18DA10F1, 0x18DAF110, 29, 0, ECU_POWERTRAIN, false, NULL},
	 {0x17FC007B, 0x17FE007B, 29, 0, -1, false, meb_battery},
	 {0x17FC0076, 0x17FE0076, 29, 0, -1, true, meb_body},
	 {0x710, 0x77A, 11, 0, -1, false, meb_gateway}},
	4};

static const struct unit_family zoe_40 =
	{UNIT_BUS_CAN11, true, {{0x7E4, 0x7EC, 11, 0, ECU_POWERTRAIN, false, zoe_40_vehicle}}, 1};

static const struct unit_family zoe = {
	UNIT_BUS_CAN29,
	true,
	{{0x18DADBF1, 0x18DAF1DB, 29, 0, ECU_BATTERY, false, zoe_battery},
	 {0x18DADAF1, 0x18DAF1DA, 29, 0, ECU_POWERTRAIN, true, zoe_vehicle}},
	2};

static const struct unit_family bolt = {UNIT_BUS_CAN11,
					true,
					{{0x7E0, 0x7E8, 11, 0, ECU_POWERTRAIN, false, bolt_drive},
					 {0x7E4, 0x7EC, 11, 0, ECU_BATTERY, true, bolt_battery}},
					2};

static const struct unit_family ford = {UNIT_BUS_CAN11,
					true,
					{{0x7E0, 0x7E8, 11, 0, ECU_POWERTRAIN, true, ford_drive},
					 {0x7E4, 0x7EC, 11, 0, ECU_BATTERY, false, ford_battery},
					 {0x726, 0x72E, 11, 0, -1, false, ford_body}},
					3};

static const struct unit_family toyota = {UNIT_BUS_CAN11,
					  false,
					  {{0x745, 0x74D, 11, 0, -1, false, toyota_dash},
					   {0x7D2, 0x7DA, 11, 0, -1, false, toyota_drive},
					   {0x747, 0x74F, 11, 0, -1, false, toyota_cluster}},
					  3};

const struct unit_family *units_of(enum vehicle_kind kind)
{
	static const struct unit_family *const families[VEHICLE_KIND_COUNT] = {
		[VEHICLE_SUV_29BIT] = &generic_can29,
		[VEHICLE_OLD_VAN] = &generic_kline,
		[VEHICLE_IONIQ5] = &egmp,
		[VEHICLE_NIRO] = &gen1,
		[VEHICLE_LEAF_24] = &leaf_24,
		[VEHICLE_LEAF_30] = &leaf_30,
		[VEHICLE_LEAF_40] = &leaf_40,
		[VEHICLE_I3] = &i3,
		[VEHICLE_ID4] = &meb,
		[VEHICLE_ZOE_40] = &zoe_40,
		[VEHICLE_ZOE] = &zoe,
		[VEHICLE_BOLT] = &bolt,
		[VEHICLE_MACH_E] = &ford,
		[VEHICLE_BZ4X] = &toyota,
	};

	return families[kind] ? families[kind] : &generic_can11;
}
