#include "fleet.h"

#include "log.h"
#include "mem.h"
#include "sig.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FLEET_THREADS_MAX 64

bool
fleet_is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool
fleet_is_settings(const char *name)
{
    size_t length = strlen(name);

    return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".ini") == 0;
}

static int
fleet_compare(const void *a, const void *b)
{
    const struct fleet_instance *left = a;
    const struct fleet_instance *right = b;

    return strcmp(left->name, right->name);
}

static void
fleet_add(struct fleet *fleet, const char *folder, const char *file)
{
    struct fleet_instance *instance;

    fleet->instances = mem_grow(fleet->instances, fleet->count + 1, sizeof *fleet->instances);
    instance = &fleet->instances[fleet->count++];
    memset(instance, 0, sizeof *instance);
    instance->path = mem_printf("%s/%s", folder, file);
    instance->name = mem_strndup(file, strlen(file) - 4);
}

bool
fleet_open(const char *folder, struct fleet *ret_fleet, struct err *err)
{
    DIR *dir = opendir(folder);
    struct fleet fleet = {.count = 0};
    const struct dirent *entry;
    int code;

    if (dir == NULL) {
        return err_set(err, ERR_CONFIG, "%s: %s", folder, strerror(errno));
    }
    errno = 0; /* a failure looks like the end but for this */
    /* Nobody else reads this stream. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    while ((entry = readdir(dir)) != NULL) {
        if (fleet_is_settings(entry->d_name)) {
            fleet_add(&fleet, folder, entry->d_name);
        }
        errno = 0;
    }
    code = errno;
    (void)closedir(dir);
    if (code != 0) {
        fleet_close(&fleet);
        return err_set(err, ERR_CONFIG, "%s: %s", folder, strerror(code));
    }
    if (fleet.count == 0) {
        return err_set(err, ERR_CONFIG, "%s: holds no settings file (*.ini)", folder);
    }
    qsort(fleet.instances, fleet.count, sizeof *fleet.instances, fleet_compare);
    *ret_fleet = fleet;
    return true;
}

void
fleet_close(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++) {
        mem_free(fleet->instances[i].path);
        mem_free(fleet->instances[i].name);
    }
    mem_free(fleet->instances);
    fleet->instances = NULL;
    fleet->count = 0;
}

/* What the threads share. */
struct fleet_crew {
    struct fleet *fleet;
    fleet_work *work;
    const void *context;
    pthread_mutex_t lock;
    size_t next;
};

static struct fleet_instance *
fleet_take(struct fleet_crew *crew)
{
    struct fleet_instance *instance = NULL;

    (void)pthread_mutex_lock(&crew->lock);
    if (crew->next < crew->fleet->count) {
        instance = &crew->fleet->instances[crew->next++];
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return instance;
}

static void *
fleet_thread(void *argument)
{
    struct fleet_crew *crew = argument;
    struct fleet_instance *instance;

    while ((instance = fleet_take(crew)) != NULL) {
        if (sig_stops() > 0) {
            instance->exit_code = EXIT_CODE_LEFT_WORK;
            continue;
        }
        log_set_subject(instance->name);
        crew->work(crew->context, instance);
        log_set_subject(NULL);
    }
    return NULL;
}

void
fleet_run(struct fleet *fleet, size_t parallel, fleet_work *work, const void *context)
{
    struct fleet_crew crew = {
        .fleet = fleet, .work = work, .context = context, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[FLEET_THREADS_MAX];
    size_t count = 0;
    size_t most = parallel < FLEET_THREADS_MAX ? parallel : FLEET_THREADS_MAX;

    /* This thread works as well; where no other can be had, it works alone. */
    while (count + 1 < most && count + 1 < fleet->count &&
           pthread_create(&threads[count], NULL, fleet_thread, &crew) == 0) {
        count++;
    }
    (void)fleet_thread(&crew);
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)pthread_mutex_destroy(&crew.lock);
}

int
fleet_exit_code(const struct fleet *fleet)
{
    static const int gravest[] = {EXIT_CODE_INTERNAL,    EXIT_CODE_CONFIG,    EXIT_CODE_USAGE,
                                  EXIT_CODE_UNAVAILABLE, EXIT_CODE_ATTENTION, EXIT_CODE_LEFT_WORK,
                                  EXIT_CODE_OK};

    for (size_t code = 0; code < sizeof gravest / sizeof *gravest; code++) {
        for (size_t i = 0; i < fleet->count; i++) {
            if (fleet->instances[i].exit_code == gravest[code]) {
                return gravest[code];
            }
        }
    }
    return EXIT_CODE_INTERNAL;
}
