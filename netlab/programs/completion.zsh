#compdef @PROGRAM@
# Completion of @PROGRAM@ in zsh, behind `compinit`: eval "$(@PROGRAM@ completion zsh)"

@FUNCTION@() {
    local line="${(j: :)words[1,CURRENT-1]} ${QIPREFIX}${IPREFIX}${PREFIX}"
    local kind value help files
    local -a values shown open
    while IFS=$'\t' read -r kind value help; do
        case $kind in
            plain)
                if [[ $value == *[:=] ]]; then
                    open+=("$value")
                else
                    values+=("$value")
                    shown+=("$value${help:+  -- $help}")
                fi
                ;;
            *) files=$kind ;;
        esac
    done < <(COMP_LINE=$line @VARIABLE@=zsh_complete $words[1] 2>/dev/null)
    (( $#values )) && compadd -l -V values -d shown -a values
    (( $#open )) && compadd -V open -S '' -a open
    [[ -n $files && $PREFIX == --*=* ]] && compset -P '*='
    case $files in
        scenario) _path_files -g '*.(yaml|yml)' || _path_files -/ ;;
        file) _path_files ;;
    esac
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    @FUNCTION@ "$@"
else
    compdef @FUNCTION@ @PROGRAM@
fi
