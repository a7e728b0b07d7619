/* A fresh folder a test. On tmpfs where there is one: SQLite's fsync()s then cost nothing. */
#ifndef TESTS_UNIT_STORAGE_FOLDER_H
#define TESTS_UNIT_STORAGE_FOLDER_H

#define FOLDER_SIZE 64

/* Makes an empty folder; fails the test where it cannot. */
void folder_make(char path[static FOLDER_SIZE]);
/* Removes it with all that is in it. */
void folder_remove(const char *path);
/* How many files in it begin with `prefix`; copies the first one's name. */
int folder_find(const char *path, const char *prefix, char *name, unsigned long name_size);

#endif
