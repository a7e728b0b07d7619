/* The host of one suite, on Linux and on a bare Cortex-M; FRESHET_SUITE is its function. */
int FRESHET_SUITE(void);

int main(void)
{
	/* cmocka counts failures; an exit status would wrap at 256. */
	return FRESHET_SUITE() == 0 ? 0 : 1;
}
