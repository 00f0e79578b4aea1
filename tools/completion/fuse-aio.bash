# SPDX-License-Identifier: MIT
#
# bash completion of fuse-aio. Options are read from `fuse-aio COMMAND --help`, so
# that a new one needs no second edit; what follows an option's = is here.

_fuse_aio_values()
{
	case $1:$2 in
	run:--mode) echo "auto observe off fuse" ;;
	record:--mode) echo "observe auto fuse" ;;
	report:--format) echo "table json folded perfetto html" ;;
	report:--by) echo "site sequence file fs thread op" ;;
	diff:--format) echo "table json" ;;
	esac
}

_fuse_aio()
{
	local cur prev words cword split i command option
	_init_completion -s || return

	for ((i = 1; i < cword; i++)); do
		[[ ${words[i]} == -* ]] || break
	done
	command=${words[i]}
	if ((i >= cword)); then
		if [[ $cur == -* ]]; then
			COMPREPLY=($(compgen -W '--help --usage --version' -- "$cur"))
		else
			COMPREPLY=($(compgen -W 'run record report diff top doctor options
				counters' -- "$cur"))
		fi
		return
	fi

	# From the first word that is neither an option nor its value on, another program.
	# In COMP_WORDS, which _command_offset counts by, a = is a word.
	case $command in
	run | record | doctor)
		for ((i++; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--)
				_command_offset $((i + 1))
				return
				;;
			-o | -p | --output | --pid | --mode | --only | --stats | --log | --duration | --size | --path)
				[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
				((i++))
				;;
			-*) ;;
			*)
				_command_offset $i
				return
				;;
			esac
		done
		;;
	esac

	option=$prev
	case $option in
	-o) option=--output ;;
	-p) option=--pid ;;
	esac
	case $option in
	--mode | --format | --by)
		COMPREPLY=($(compgen -W "$(_fuse_aio_values "$command" "$option")" -- "$cur"))
		return
		;;
	--stats | --log | --output | --prometheus)
		_filedir
		return
		;;
	--path)
		_filedir -d
		return
		;;
	--pid)
		_pids
		return
		;;
	--only | --duration | --size | --top | --interval)
		return
		;;
	esac
	$split && return

	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W "$("${words[0]}" "$command" --help 2>/dev/null |
			sed -nE 's/^ +(-., )?(--[a-z-]+)(=[^ ]*)?.*/\2\3/p' |
			sed -E 's/=.*/=/')" -- "$cur"))
		[[ ${COMPREPLY-} == *= ]] && compopt -o nospace
		return
	fi
	case $command in
	run | record | doctor) _command_offset $COMP_CWORD ;;
	report | diff) _filedir ;;
	top) _pids ;;
	esac
} && complete -F _fuse_aio fuse-aio
