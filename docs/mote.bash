# SPDX-License-Identifier: Apache-2.0
# bash completion for mote. The options come from the program itself, so that they cannot fall behind.
_mote() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i
	if [[ ${COMP_WORDS[1]} != run ]] || ((COMP_CWORD == 1)); then
		case $prev in
		--api-sock | --config-file | --metadata | --log-path | --metrics-path | --seccomp-filter)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			;;
		--level) mapfile -t COMPREPLY < <(compgen -W 'Off Error Warning Info Debug Trace' -- "$cur") ;;
		*)
			mapfile -t COMPREPLY < <(compgen -W "$( ((COMP_CWORD > 1)) || echo run) $(
				mote --help | sed -n 's/^ *\(--[a-z-]*\).*/\1/p')" -- "$cur")
			;;
		esac
		return
	fi
	for ((i = 2; i < COMP_CWORD; i++)); do
		# What follows "--" runs in the guest, whose files we do not see.
		[[ ${COMP_WORDS[i]} == -- ]] && return
	done
	case $prev in
	--kernel | --initrd | --rootfs | --disk | --vsock | --seccomp-filter)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	--net)
		mapfile -t COMPREPLY < <(compgen -W "user unix: fd: $(
			for i in /sys/class/net/*/tun_flags; do [[ -e $i ]] && basename "${i%/*}"; done)" -- "$cur")
		;;
	--kernel-load) mapfile -t COMPREPLY < <(compgen -W 'copy map' -- "$cur") ;;
	--pages) mapfile -t COMPREPLY < <(compgen -W 'thp small hugetlb' -- "$cur") ;;
	--cpus | --mem | --append | --start-time-us) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W \
			"-- $(mote run --help | sed -n 's/^ *\(--[a-z-]*\).*/\1/p')" -- "$cur")
		;;
	esac
}
complete -F _mote mote
