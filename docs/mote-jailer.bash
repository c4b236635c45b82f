# SPDX-License-Identifier: Apache-2.0
# bash completion for mote-jailer, also as jailer. The options come from the program itself.
_mote_jailer() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i
	for ((i = 1; i < COMP_CWORD; i++)); do
		# What follows "--" is the monitor's, with paths of the jail.
		[[ ${COMP_WORDS[i]} == -- ]] && return
	done
	case $prev in
	--exec-file | --chroot-base-dir | --netns)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	--cgroup-version) mapfile -t COMPREPLY < <(compgen -W '1 2' -- "$cur") ;;
	--resource-limit) mapfile -t COMPREPLY < <(compgen -W 'fsize= no-file=' -- "$cur") ;;
	--clean) mapfile -t COMPREPLY < <(compgen -W "$(ls -d /srv/jailer/*/* 2>/dev/null | sed 's,.*/,,')" -- "$cur") ;;
	--id | --uid | --gid | --cgroup | --parent-cgroup | --keep-fd) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W \
			"-- $(mote-jailer --help | sed -n 's/^ *\(--[a-z-]*\).*/\1/p')" -- "$cur")
		;;
	esac
}
complete -F _mote_jailer mote-jailer jailer
