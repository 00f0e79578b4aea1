# SPDX-License-Identifier: MIT
#
# fish completion of fuse-aio. Options are read from `fuse-aio COMMAND --help`, so that
# a new one needs no second edit; what follows an option's = is here.

# The options of the command on the line, with what its help says of each.
function __fuse_aio_options
    set -l words (commandline -opc)
    set -l command $words[2]
    $words[1] $command --help 2>/dev/null |
        string replace -rf '^ +(-., )?(--[a-z-]+)(=[^ ]+)?( +(.*))?$' '$2$3\t$5' |
        while read -l line
            set -l part (string split \t -- $line)
            set -l name (string split -m 1 = -- $part[1])
            if test (count $name) = 1
                printf '%s\t%s\n' $name $part[2]
                continue
            end
            set -l values
            switch $command:$name[1]
                case run:--mode
                    set values auto observe off fuse
                case record:--mode
                    set values observe auto fuse
                case report:--format
                    set values table json folded perfetto html
                case report:--by
                    set values site sequence file fs thread op
                case diff:--format
                    set values table json
            end
            if test -z "$values"
                printf '%s=\t%s\n' $name[1] $part[2]
            end
            for value in $values
                printf '%s=%s\t%s\n' $name[1] $value $part[2]
            end
        end
end

# The words of the program that is to be run, as far as they are there; fails while
# options of fuse-aio's may come.
function __fuse_aio_words
    set -l words (commandline -opc)
    set -l value -o -p --output --pid --mode --only --stats --log --duration --size --path
    set -e words[1..2]
    while set -q words[1]
        if test $words[1] = --
            set -e words[1]
            string join \n -- $words
            return 0
        end
        if not string match -q -- '-*' $words[1]
            string join \n -- $words
            return 0
        end
        contains -- $words[1] $value; and set -e words[2]
        set -e words[1]
    end
    return 1
end

function __fuse_aio_command
    set -l words (commandline -opc)
    contains -- "$words[2]" $argv
end

function __fuse_aio_at_option
    string match -q -- '-*' (commandline -ct); or return
    __fuse_aio_command run record doctor; or return 0
    not __fuse_aio_words >/dev/null
end

function __fuse_aio_at_program
    __fuse_aio_command run record doctor; and not __fuse_aio_at_option
end

function __fuse_aio_program
    set -l words (__fuse_aio_words)
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

complete -c fuse-aio -f
complete -c fuse-aio -n __fish_use_subcommand -a run -d 'Run a program with the library'
complete -c fuse-aio -n __fish_use_subcommand -a record -d 'Run a program and record its file calls'
complete -c fuse-aio -n __fish_use_subcommand -a report -d 'What a recording says'
complete -c fuse-aio -n __fish_use_subcommand -a diff -d 'Two recordings beside each other'
complete -c fuse-aio -n __fish_use_subcommand -a top -d 'The counters of running programs, live'
complete -c fuse-aio -n __fish_use_subcommand -a doctor -d 'Can the library help here?'
complete -c fuse-aio -n __fish_use_subcommand -a options -d 'The environment variables of the library'
complete -c fuse-aio -n __fish_use_subcommand -a counters -d 'What the line of FUSE_AIO_STATS counts'
complete -c fuse-aio -n 'not __fish_use_subcommand; and __fuse_aio_at_option' -a '(__fuse_aio_options)'
complete -c fuse-aio -n '__fish_use_subcommand' -l help -d 'Give the list of commands'
complete -c fuse-aio -n '__fish_use_subcommand' -l version -d 'Print the version'
complete -c fuse-aio -n __fuse_aio_at_program -a '(__fuse_aio_program)'
complete -c fuse-aio -n '__fuse_aio_command report diff' -F
complete -c fuse-aio -n '__fuse_aio_command top' -a '(__fish_complete_pids)'
