# Completion of @PROGRAM@ in bash: eval "$(@PROGRAM@ completion bash)"

@FUNCTION@() {
    local kind value prefix file
    COMPREPLY=()
    # $2 is what bash will replace: less than the word where that has a `:`, `=` or `@`.
    while IFS=$'\t' read -r kind value prefix; do
        if [[ $kind == plain ]]; then
            COMPREPLY+=("$value")
            continue
        fi
        compopt -o filenames  # bash quotes them, as the word that was begun.
        while IFS= read -r file; do
            [[ $kind == scenario && ! -d ${file/#\~\//$HOME/} && $file != *.yaml && $file != *.yml ]] && continue
            COMPREPLY+=("${file#"$prefix"}")
        done < <(compgen -f -- "$value")
    done < <(COMP_LINE=${COMP_LINE:0:COMP_POINT} COMP_REPLACED=$2 @VARIABLE@=bash_complete "$1" 2>/dev/null)
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace
    return 0
}

complete -o nosort -F @FUNCTION@ @PROGRAM@
