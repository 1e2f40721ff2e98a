# Completion of @PROGRAM@ in fish: @PROGRAM@ completion fish > ~/.config/fish/completions/@PROGRAM@.fish

function @FUNCTION@
    set -l line (commandline -cp | string collect)
    for answer in (env COMP_LINE=$line @VARIABLE@=fish_complete @PROGRAM@ 2>/dev/null)
        set -l part (string split \t -- $answer)
        switch $part[1]
            case plain
                printf '%s\t%s\n' $part[2] $part[3]
            case scenario
                __fish_complete_path $part[2] | string match -r '.*(?:/|\.ya?ml)(?:\t.*)?$'
            case file
                string join \n -- $part[3](__fish_complete_path $part[2])
        end
    end
end

complete --no-files --command @PROGRAM@ --arguments "(@FUNCTION@)"
