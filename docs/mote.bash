# SPDX-License-Identifier: Apache-2.0
# bash completion for mote. The options come from the program itself, so that they cannot fall behind.
_mote() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W 'run --help --version' -- "$cur")
		return
	fi
	[[ ${COMP_WORDS[1]} == run ]] || return
	for ((i = 2; i < COMP_CWORD; i++)); do
		# What follows "--" runs in the guest, whose files we do not see.
		[[ ${COMP_WORDS[i]} == -- ]] && return
	done
	case $prev in
	--kernel | --initrd | --rootfs | --vsock)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
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
