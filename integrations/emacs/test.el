;;; test.el --- runs every snippet of the README -*- lexical-binding: t -*-
;; SPDX-License-Identifier: Apache-2.0

;;; Commentary:
;; Each test takes the snippets that hold a word, and uses what they define. A snippet that no test takes fails the last one.

;;; Code:

(require 'cl-lib)
(require 'ert)

(defconst readme (expand-file-name "README.md" (file-name-directory (or load-file-name buffer-file-name))))

(defconst snippets
  (with-temp-buffer
    (insert-file-contents readme)
    (let (found)
      (while (re-search-forward "^```\\(elisp\\|org\\)\n\\(\\(?:.*\n\\)*?\\)```$" nil t)
        (push (cons (match-string 1) (match-string 2)) found))
      (nreverse found)))
  "Every snippet of the page: its language and its text.")

(defvar taken nil "Snippets that a test has taken.")

(defun snippet (language word)
  "The one snippet of LANGUAGE that has WORD."
  (let ((found (cl-remove-if-not
                (lambda (one) (and (equal (car one) language) (string-match-p (regexp-quote word) (cdr one))))
                snippets)))
    (should (= (length found) 1))
    (cl-pushnew (car found) taken)
    (cdar found)))

(defun use (word)
  "Evaluate the snippet of Emacs Lisp that has WORD, as an init file does."
  (with-temp-buffer
    (insert (snippet "elisp" word))
    (eval-buffer)))

(defmacro wait-for (seconds &rest condition)
  "Take output until CONDITION holds; fail after SECONDS."
  `(with-timeout (,seconds (ert-fail (list "not in time" ',condition (buffer-string))))
     (while (not (progn ,@condition)) (accept-process-output nil 0.05))))

(defun results (text)
  "Run the blocks of TEXT, an Org file, and return its results."
  (with-temp-buffer
    (org-mode)
    (insert text)
    (org-babel-execute-buffer)
    (goto-char (point-min))
    (let (found)
      (while (re-search-forward "^#\\+RESULTS:.*\n\\(\\(?::.*\n\\)*\\)" nil t)
        (push (replace-regexp-in-string "^: ?" "" (match-string 1)) found))
      (nreverse found))))

(defun block (code)
  "CODE as a block of Org."
  (format "#+begin_src python\n%s\n#+end_src\n\n" code))

(defvar org-confirm-babel-evaluate)

(ert-deftest org-blocks-run-in-containers-of-their-own ()
  (use "org-babel-default-header-args:python")
  (setq org-confirm-babel-evaluate nil)
  (should (equal (results (snippet "org" "sum(map(sum, rows))")) '("/workspace 10\n")))
  (should (equal (results (concat (block "open('here', 'w')\nprint('5 €')") (block "import os\nprint(os.path.exists('here'))")))
                 '("5 €\n" "False\n"))))

(ert-deftest org-blocks-share-variables-in-a-context ()
  (use "org-babel-default-header-args:python")
  (use "berth-org-begin")
  (setq org-confirm-babel-evaluate nil)
  (let ((before org-babel-python-command))
    (berth-org-begin)
    (unwind-protect
        (should (equal (results (concat (block "x = 6\nprint('set')") (block "def f(y):\n    return x * y\n\nf(7)")))
                       '("set\n" "42\n")))
      (berth-org-end))
    (should (equal org-babel-python-command before))
    (should-not (getenv "BERTH_LEASE"))
    (should (equal (results (block "print('x' in dir())")) '("False\n")))))

(ert-deftest a-failing-block-says-why ()
  (use "org-babel-default-header-args:python")
  (setq org-confirm-babel-evaluate nil)
  (results (block "1 / 0"))
  (with-current-buffer "*Org-Babel Error Output*"
    (should (string-match-p "ZeroDivisionError" (buffer-string)))))

(defun compile-in (files command)
  "Run `berth-compile' with COMMAND where FILES are; return where `next-error' leads, as (FILE LINE COLUMN), and the exit."
  (use "berth-compile")
  (let* ((folder (file-name-as-directory (make-temp-file "berth-emacs" t)))
         (default-directory folder))
    (unwind-protect
        (progn
          (pcase-dolist (`(,name . ,text) files)
            (make-directory (or (file-name-directory name) folder) t)
            (write-region text nil name nil 'quiet))
          (berth-compile command)
          (with-current-buffer "*compilation*"
            (wait-for 60 (not (get-buffer-process (current-buffer))))
            (let ((said (buffer-string)))
              (ignore-errors (next-error 1 t))
              (with-current-buffer (window-buffer)
                (list (and buffer-file-name (file-relative-name buffer-file-name folder))
                      (line-number-at-pos) (current-column) said)))))
      (mapc (lambda (buffer) (when (buffer-file-name buffer) (kill-buffer buffer))) (buffer-list))
      (delete-directory folder t))))

(ert-deftest next-error-leads-from-a-compile-in-a-container-to-the-file ()
  (dolist (place '("sub/a.c" "/workspace/sub/a.c"))
    (pcase (compile-in '(("sub/a.c" . "int main(void) {\n  return missing;\n}\n")) (concat "gcc -c -o /tmp/a.o " place))
      (`(,file ,line ,column ,said)
       (should (equal (list file line column) '("sub/a.c" 2 9)))
       (should (string-match-p "exited abnormally with code 1" said))))))

(ert-deftest a-compile-that-succeeds-says-so ()
  (should (string-match-p "made it\n\nCompilation finished" (nth 3 (compile-in '(("Makefile" . "all:\n\t@echo made it\n")) "make")))))

(ert-deftest a-process-has-its-lines-its-input-and-its-exit-code ()
  (use "berth-start")
  (with-temp-buffer
    (let ((process (berth-start (current-buffer) "sh" "-c" "echo 5 €; read -r line; echo \"got $line\"; exit 7")))
      (wait-for 30 (string-match-p "5 €\n" (buffer-string)))
      (process-send-string process "a line\n")
      (wait-for 30 (string-match-p "got a line\n\\[exit code 7\\]\n" (buffer-string)))
      (should (= (process-exit-status process) 7)))))

(ert-deftest a-process-is-interrupted ()
  (use "berth-start")
  (with-temp-buffer
    (let ((process (berth-start (current-buffer) "sh" "-c" "trap 'echo stopped; exit 3' INT; echo ready; while :; do sleep 0.1; done")))
      (wait-for 30 (string-match-p "ready\n" (buffer-string)))
      (interrupt-process process)
      (wait-for 30 (string-match-p "stopped\n\\[exit code 3\\]\n" (buffer-string))))))

(ert-deftest pythons-shell-evaluates-completes-and-is-interrupted ()
  (require 'python)
  (use "python-shell-interpreter")
  (run-python)
  (with-current-buffer (process-buffer (python-shell-get-process))
    (unwind-protect
        (progn
          (wait-for 30 (string-match-p ">>> " (buffer-string)))
          (should (equal (python-shell-send-string-no-output "x = 6\nprint(x * 7)") "42"))
          (python-shell-send-string (format "y = '%s'\nprint('long', len(y))\n" (make-string 20000 ?z)))
          (wait-for 30 (string-match-p "long 20000\n>>> " (buffer-string)))
          (should (equal (python-shell-completion-get-completions (get-buffer-process (current-buffer)) "impor") '("import")))
          (python-shell-send-string "import time\nprint('waits')\ntime.sleep(600)")
          (wait-for 30 (string-match-p "^waits\n" (buffer-string)))
          (comint-interrupt-subjob)
          (wait-for 30 (string-match-p "KeyboardInterrupt\n>>> " (buffer-string)))
          (should (equal (python-shell-send-string-no-output "print(x)") "6")))
      (set-process-query-on-exit-flag (get-buffer-process (current-buffer)) nil)
      (kill-buffer))))

(ert-deftest the-prompt-of-berth-repl-works-in-a-terminal ()
  (use "berth-repl")
  (berth-repl "python")
  (with-current-buffer "*berth python*"
    (wait-for 30 (string-match-p ">>> " (buffer-string)))
    (term-send-raw-string "6 * 7\r")
    (wait-for 30 (string-match-p "^42\n>>> " (buffer-string)))
    (term-send-raw-string "\C-d")
    (wait-for 30 (not (process-live-p (get-buffer-process (current-buffer)))))))

(ert-deftest zz-every-snippet-of-the-page-was-run ()
  "The last one, by its name."
  (should (= (length snippets) 7))
  (should-not (cl-set-difference snippets taken)))

;;; test.el ends here
