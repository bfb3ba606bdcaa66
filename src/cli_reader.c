#include "cli_reader.h"

#include "cli_spec.h"

#include <string.h>

bool
cli_parse_number(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    int64_t number = 0;

    if (*text == '\0') {
        return false;
    }
    for (; *text >= '0' && *text <= '9'; text++) {
        if (number > (INT64_MAX - (*text - '0')) / 10) {
            return false;
        }
        number = number * 10 + (*text - '0');
    }
    if (*text != '\0' || number < min || number > max) {
        return false;
    }
    *ret_number = number;
    return true;
}

/* value: what came with it ("--x=value", "-cvalue"), or NULL. */
static bool
cli_read_option(struct cli_reader *reader, enum cli_option_id id, const char *value)
{
    const struct cli_option *option = cli_option_spec(id);

    if (option->argument == NULL) {
        if (value != NULL) {
            return err_set(reader->err, ERR_USAGE, "option --%s takes no value", option->name);
        }
        reader->seen |= CLI_SEEN(id);
        return cli_apply(reader, id, "");
    }
    if (value == NULL) {
        if (reader->at + 1 >= reader->argc) {
            return err_set(reader->err, ERR_USAGE, "option --%s needs a value: %s", option->name,
                           option->argument);
        }
        value = reader->argv[++reader->at];
    }
    if (*value == '\0') {
        return err_set(reader->err, ERR_USAGE, "option --%s has an empty value", option->name);
    }
    if ((reader->seen & CLI_SEEN(id)) != 0) {
        return err_set(reader->err, ERR_USAGE, "option --%s is given twice", option->name);
    }
    reader->seen |= CLI_SEEN(id);
    return cli_apply(reader, id, value);
}

static bool
cli_unknown_option(const struct cli_reader *reader, const char *text)
{
    (void)err_set(reader->err, ERR_USAGE, "there is no option %s", text);
    return err_hint(reader->err, "'harpsweep help' lists commands and options");
}

static bool
cli_read_long(struct cli_reader *reader, const char *text)
{
    const char *name = text + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals == NULL ? strlen(name) : (size_t)(equals - name);

    for (int id = 0; id < CLI_OPTION_COUNT; id++) {
        const char *known = cli_option_spec((enum cli_option_id)id)->name;

        if (strlen(known) == length && strncmp(known, name, length) == 0) {
            return cli_read_option(reader, (enum cli_option_id)id,
                                   equals == NULL ? NULL : equals + 1);
        }
    }
    return cli_unknown_option(reader, text);
}

static bool
cli_read_short(struct cli_reader *reader, const char *text)
{
    for (const char *letter = text + 1; *letter != '\0'; letter++) {
        int id = 0;

        while (id < CLI_OPTION_COUNT &&
               cli_option_spec((enum cli_option_id)id)->letter != *letter) {
            id++;
        }
        if (id == CLI_OPTION_COUNT) {
            return cli_unknown_option(reader, text);
        }
        if (cli_option_spec((enum cli_option_id)id)->argument != NULL) {
            /* The rest of the word is its value, or the next word. */
            return cli_read_option(reader, (enum cli_option_id)id,
                                   letter[1] == '\0' ? NULL : letter + 1);
        }
        if (!cli_read_option(reader, (enum cli_option_id)id, NULL)) {
            return false;
        }
    }
    return true;
}

bool
cli_read_all(struct cli_reader *reader)
{
    bool options = true;

    for (reader->at = 1; reader->at < reader->argc; reader->at++) {
        const char *text = reader->argv[reader->at];
        bool read = true;

        if (options && strcmp(text, "--") == 0) {
            options = false;
        } else if (options && strncmp(text, "--", 2) == 0) {
            read = cli_read_long(reader, text);
        } else if (options && text[0] == '-' && text[1] != '\0') {
            read = cli_read_short(reader, text);
        } else {
            reader->words[reader->word_count++] = text;
        }
        if (!read) {
            return false;
        }
    }
    return true;
}
